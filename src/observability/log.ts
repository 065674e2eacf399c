/**
 * The log: one JSON line an event, on standard output, for pino's readers and a cluster's collectors.
 *
 * It writes synchronously: a stopping pod's last lines are the ones that are asked for, and a buffered or threaded destination can lose them.
 * Time is ISO 8601, the level a word. Whoever logs names the fields, so that no object slips in whole with a value in it.
 */
import { type DestinationStream, destination, pino, stdTimeFunctions } from 'pino'
import type { Logger } from '../lib/logger.ts'

const STDOUT = 1

/** A log at `level` or above; every line carries `node`, the member's name. `silent` writes nothing. */
export function createLogger(
  level: 'debug' | 'info' | 'warn' | 'error' | 'silent',
  name: string,
  stream: DestinationStream = destination({ dest: STDOUT, sync: true }),
): Logger {
  const options = {
    level,
    base: { node: name },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pino(options, stream)
}
