/**
 * What a call of the client can reject with. Every class has a stable `code` and says by `touched` whether the call may have changed something.
 *
 * Mistakes of the calling program (an option out of range, a key that is no string) are `TypeError` and `RangeError`, thrown before anything is sent.
 */
export type ErrorCode =
  | 'ABORT_ERR'
  | 'CLOSED'
  | 'CONNECTION_LOST'
  | 'NO_REPLICAS'
  | 'NOT_CONFIRMED'
  | 'NOT_JSON'
  | 'OUTCOME_UNKNOWN'
  | 'POOL_EXHAUSTED'
  | 'PROTOCOL'
  | 'REFUSED'
  | 'TIMEOUT'
  | 'UNREACHABLE'
  | 'VALUE_TOO_LARGE'

/** `no`: the call changed nothing, and may be made again. `maybe`: nobody here knows. `yes`: it changed what it was to change, or some of it. */
export type Touched = 'no' | 'maybe' | 'yes'

export class JackdawError extends Error {
  readonly code: ErrorCode
  readonly touched: Touched

  constructor(name: string, code: ErrorCode, touched: Touched, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = name
    this.code = code
    this.touched = touched
  }
}

/** The server answered with an error: what was asked is not possible, or not now. */
export class ServerError extends JackdawError {
  /** First word of the answer: `ERR`, `WRONGTYPE`, `OOM`, `TRYAGAIN`, `NOAUTH` and so on. */
  readonly replyCode: string

  /** `text` as it came over the wire, with its first word. Whoever reads a reply calls `serverErrorOf`, which knows the subclasses. */
  constructor(
    text: string,
    name: string = 'ServerError',
    code: ErrorCode = 'REFUSED',
    touched: Touched = replyCodeOf(text) === MAY_HAVE_RUN ? 'maybe' : 'no',
  ) {
    super(name, code, touched, text)
    this.replyCode = replyCodeOf(text)
  }

  /** Worth asking again: the cluster could not answer at that moment. */
  get transient(): boolean {
    return this.replyCode === 'TRYAGAIN' || this.touched === 'maybe'
  }
}

/**
 * The acknowledgement that the client asks for (`ack`) cannot be given, as no replica can be reached. Nothing was written; of a call on several keys,
 * those whose replicas are there may have been: `touched` is `yes` then.
 */
export class NoReplicasError extends ServerError {
  constructor(text: string) {
    super(text, 'NoReplicasError', 'NO_REPLICAS', text.includes(PARTLY) ? 'yes' : 'no')
  }
}

/** It was written, but the replicas that `ack` asks for have not confirmed it in time: the loss of one member may take it back. */
export class NotConfirmedError extends ServerError {
  constructor(text: string) {
    super(text, 'NotConfirmedError', 'NOT_CONFIRMED', 'yes')
  }
}

/** The error that a reply is, in the class that says most of it. */
export function serverErrorOf(text: string): ServerError {
  const replyCode = replyCodeOf(text)
  if (replyCode === 'NOREPLICAS') return new NoReplicasError(text)
  return replyCode === 'NOTCONFIRMED' ? new NotConfirmedError(text) : new ServerError(text)
}

function replyCodeOf(text: string): string {
  return /^\S*/.exec(text)?.[0] ?? ''
}

/** The words by which the server says that a command on several keys was refused for some of them only. */
const PARTLY = 'were written'

/** The first word of an answer to a write that the server sent on and lost sight of. */
const MAY_HAVE_RUN = 'OUTCOMEUNKNOWN'

/** The write was sent, and its answer never came. It is not sent again, because executing it twice would not be the same as once. */
export class OutcomeUnknownError extends JackdawError {
  constructor(cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause)
    super('OutcomeUnknownError', 'OUTCOME_UNKNOWN', 'maybe', `the write may or may not have been executed: ${why}`, cause)
  }
}

/** The call's own time was up, with whatever it had still been waiting for. */
export class TimeoutError extends JackdawError {
  constructor(timeoutMs: number, waitingFor: 'a connection' | 'the answer', touched: Touched, cause?: unknown) {
    super('TimeoutError', 'TIMEOUT', touched, `no result within ${timeoutMs} ms, still waiting for ${waitingFor}`, cause)
  }
}

/** The caller's `AbortSignal` fired; its reason is the `cause`. Named and coded as Node names its own. */
export class AbortError extends JackdawError {
  constructor(reason: unknown, touched: Touched) {
    super('AbortError', 'ABORT_ERR', touched, 'the call was aborted', reason)
  }
}

/** No address could be connected to; `cause` is an `AggregateError` with one error each. */
export class UnreachableError extends JackdawError {
  constructor(addresses: readonly string[], errors: readonly Error[]) {
    const last = errors.at(-1)?.message ?? 'nothing was tried'
    super('UnreachableError', 'UNREACHABLE', 'no', `cannot connect to ${addresses.join(', ')}: ${last}`, new AggregateError(errors, last))
  }
}

/** A connection broke before the answer, and all attempts were used up. Nothing was changed. */
export class ConnectionLostError extends JackdawError {
  constructor(address: string, why: string, cause?: unknown) {
    super('ConnectionLostError', 'CONNECTION_LOST', 'no', `the connection to ${address} ${why}`, cause)
  }
}

/** What came is not RESP, or larger than this client accepts. The connection is given up. */
export class ProtocolError extends JackdawError {
  constructor(message: string) {
    super('ProtocolError', 'PROTOCOL', 'maybe', message)
  }
}

/** More calls are waiting for a connection than `maxWaiting` allows. */
export class PoolExhaustedError extends JackdawError {
  constructor(waiting: number) {
    super('PoolExhaustedError', 'POOL_EXHAUSTED', 'no', `${waiting} calls are already waiting for a connection`)
  }
}

export class ClientClosedError extends JackdawError {
  constructor(touched: Touched = 'no') {
    super('ClientClosedError', 'CLOSED', touched, 'the client is closed')
  }
}

export class ValueTooLargeError extends JackdawError {
  constructor(bytes: number, maxValueBytes: number) {
    super('ValueTooLargeError', 'VALUE_TOO_LARGE', 'no', `${bytes} bytes in one value or key; maxValueBytes is ${maxValueBytes}`)
  }
}

/** What is stored under the key is not JSON. The value itself is in no message. */
export class NotJsonError extends JackdawError {
  constructor(key: string) {
    super('NotJsonError', 'NOT_JSON', 'no', `the value of \`${key}\` is not JSON`)
  }
}
