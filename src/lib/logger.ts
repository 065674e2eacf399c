/**
 * What the rooms need of a log: pino's shape, fields first. Keys only at `debug`, values and secrets never.
 */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** For tests and tools that have nobody to talk to. */
export const SILENT: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }

function ignore(): void {}
