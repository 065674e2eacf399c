/**
 * What the RESP face counts. Plain numbers, since start where a name ends in `Total`.
 */
export interface RespStats {
  readonly connections: number
  readonly subscribers: number
  readonly acceptedTotal: number
  readonly rejectedTotal: number
  /** By name; a subcommand's is `client|kill`. Only those that were called. */
  readonly commandsTotal: Readonly<Record<string, number>>
  readonly bytesInTotal: number
  readonly bytesOutTotal: number
  readonly outputLimitKillsTotal: number
  readonly idleKillsTotal: number
  readonly halfRequestKillsTotal: number
  /** Commands of cluster clients that were sent to another member. */
  readonly redirectsTotal: number
  readonly protocolErrorsTotal: number
  /** Messages handed to subscribers of this member. */
  readonly messagesTotal: number
}
