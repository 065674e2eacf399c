/**
 * Which commands may not go through the raw door: connections are shared by all calls, so whatever changes a connection for those that follow, or
 * makes it answer other than once per command, would answer one caller with what belongs to another.
 */
import type { Argument } from './resp.ts'

const NOT_SHARED = new Set(
  (
    'ASKING AUTH DISCARD EXEC HELLO MONITOR MULTI PSUBSCRIBE PSYNC PUNSUBSCRIBE QUIT READONLY READWRITE ' +
    'RESET SELECT SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE SYNC UNSUBSCRIBE UNWATCH WATCH'
  ).split(' '),
)
const NOT_SHARED_OF_CLIENT = new Set(['ACK', 'CACHING', 'REPLY', 'TRACKING'])

/** Throws `TypeError` for a command that a shared connection cannot carry. */
export function refuseUnshareable(command: readonly Argument[]): void {
  const name = upper(command[0])
  const refused = name === 'CLIENT' ? NOT_SHARED_OF_CLIENT.has(upper(command[1])) : NOT_SHARED.has(name)
  if (refused) throw new TypeError(`${name} changes the connection, which all calls share; open one of your own for it`)
}

function upper(word: Argument | undefined): string {
  return (word instanceof Uint8Array ? Buffer.from(word).toString('latin1') : String(word)).toUpperCase()
}
