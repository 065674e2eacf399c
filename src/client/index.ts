/** The package's door. */
export type {
  ClientCounters,
  Key,
  KeysOptions,
  RepeatOptions,
  SearchOptions,
  SetOptions,
  StoredEntry,
  TtlOptions,
  Value,
  WalkOptions,
} from './client.ts'
export { JackdawClient } from './client.ts'
export type { Clock, Random, Timer } from './clock.ts'
export type { ErrorCode, Touched } from './errors.ts'
export {
  AbortError,
  ClientClosedError,
  ConnectionLostError,
  JackdawError,
  NoReplicasError,
  NotConfirmedError,
  NotJsonError,
  OutcomeUnknownError,
  PoolExhaustedError,
  ProtocolError,
  ServerError,
  TimeoutError,
  UnreachableError,
  ValueTooLargeError,
} from './errors.ts'
export type { ServerInfo } from './info.ts'
export type { Acknowledgement, ClientOptions, Credentials } from './options.ts'
export type { Argument, Reply } from './resp.ts'
export type { CallOptions, Command } from './sender.ts'
