/** The room's door. The only place that reads the environment of the process. */
import { adviceOn } from './advice.ts'
import { readMachine } from './machine.ts'
import type { Options } from './option-table.ts'
import { readOptions } from './options.ts'

export { ConfigError } from './config-error.ts'
export type { DiscoveryKind, LogLevel, Options } from './option-table.ts'
export { helpText } from './options.ts'
export type { Seed } from './value-type.ts'

/** The options of this process, and what to log about them; throws `ConfigError`. */
export function processOptions(): { options: Options; advice: readonly string[] } {
  const machine = readMachine()
  const options = readOptions(process.argv.slice(2), process.env, machine)
  return { options, advice: adviceOn(options, machine, process.env) }
}
