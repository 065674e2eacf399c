/**
 * The client's options: what they mean, their defaults, and what is refused. Filled in once; contradictions are `RangeError`s with a sentence.
 */
import { type Address, parseAddress } from './address.ts'
import { type Clock, MAX_TIMER_MS, type Random, systemClock, systemRandom } from './clock.ts'

export interface Credentials {
  readonly username?: string
  readonly password: string
}

/**
 * When a write is answered: once it is written, once one replica has it too (so that it survives the loss of any one member), or once all replicas that
 * are there have it.
 */
export type Acknowledgement = 'local' | 'replica' | 'all'

export interface ClientOptions {
  /** `host:port` of any members, or of a Service before them. Each new connection goes to the next one. Default `127.0.0.1:6379`. */
  readonly addresses?: readonly string[]
  /** Most connections at a time. More are opened only while those there are busy. Default 4. */
  readonly poolSize?: number
  /** Most requests in flight on one connection; further ones wait. Default 1,024. */
  readonly maxInFlight?: number
  /** Most requests that wait for a connection; further ones fail at once with `PoolExhaustedError`. Default 10,000. */
  readonly maxWaiting?: number
  /** For one address to accept, and for it to answer AUTH and CLIENT ACK. Default 1,000. */
  readonly connectTimeoutMs?: number
  /** For a whole call: waiting, connecting and every attempt. A call may bring its own `timeoutMs`. Default 5,000. */
  readonly requestTimeoutMs?: number
  /** A connection of this age takes no new requests and is replaced, so that new members get their share. Up to a tenth less by chance. Default 5 min. */
  readonly maxConnectionAgeMs?: number
  /** A connection that is not used for this long is closed. Default 60,000. */
  readonly idleTimeoutMs?: number
  /** Further attempts after the first: after a lost connection, a round of all addresses without success, or TRYAGAIN. Default 5. */
  readonly retries?: number
  /** The wait before the second further attempt (the first is at once, unless the server asked for patience); it doubles. Default 50. */
  readonly retryBaseMs?: number
  /** Longest wait between two attempts. Default 1,000. */
  readonly retryMaxMs?: number
  /** Largest key or value that is sent or accepted. Default 32 MiB, the most that a server can be set to. */
  readonly maxValueBytes?: number
  /** Largest answer to one command. Default 256 MiB. */
  readonly maxReplyBytes?: number
  readonly auth?: Credentials
  /** For all writes of this client, agreed on with each connection; open another client for writes that need another. Default `local`. */
  readonly ack?: Acknowledgement
  /**
   * How old, in ms, what this client reads may be: within that, any member with a copy answers. 0, the default: the member that serves the key, so that a
   * client always reads what it has written.
   */
  readonly maxStaleMs?: number
  /** For tests. */
  readonly clock?: Clock
  /** For tests. */
  readonly random?: Random
}

export interface Settings extends Readonly<Required<Omit<ClientOptions, 'addresses' | 'auth'>>> {
  readonly addresses: readonly Address[]
  readonly auth: Credentials | null
}

const MIB = 1024 * 1024
const DEFAULT_ADDRESS = '127.0.0.1:6379'
const MAX_ADDRESSES = 1024

/** Name, default, least and most. */
const NUMBERS = [
  ['poolSize', 4, 1, 1024],
  ['maxInFlight', 1024, 1, 65_536],
  ['maxWaiting', 10_000, 1, 10_000_000],
  ['connectTimeoutMs', 1000, 1, MAX_TIMER_MS],
  ['requestTimeoutMs', 5000, 1, MAX_TIMER_MS],
  ['maxConnectionAgeMs', 300_000, 1, MAX_TIMER_MS],
  ['idleTimeoutMs', 60_000, 1, MAX_TIMER_MS],
  ['retries', 5, 0, 100],
  ['retryBaseMs', 50, 1, 60_000],
  ['retryMaxMs', 1000, 1, 600_000],
  ['maxValueBytes', 32 * MIB, 1, 512 * MIB],
  ['maxReplyBytes', 256 * MIB, 1024, 1024 * MIB],
  ['maxStaleMs', 0, 0, 86_400_000],
] as const

const ACKNOWLEDGEMENTS: readonly Acknowledgement[] = ['local', 'replica', 'all']

type NumberName = (typeof NUMBERS)[number][0]

/** Throws `RangeError`. */
export function readOptions(options: ClientOptions): Settings {
  const numbers = {} as Record<NumberName, number>
  for (const [name, fallback, least, most] of NUMBERS) numbers[name] = checkWhole(name, options[name] ?? fallback, least, most)
  if (numbers.retryBaseMs > numbers.retryMaxMs) throw new RangeError('retryBaseMs is above retryMaxMs')
  if (numbers.maxReplyBytes < numbers.maxValueBytes) throw new RangeError('maxReplyBytes is below maxValueBytes')
  const addresses = (options.addresses ?? [DEFAULT_ADDRESS]).map(parseAddress)
  if (addresses.length === 0 || addresses.length > MAX_ADDRESSES) throw new RangeError(`addresses must be 1 to ${MAX_ADDRESSES}`)
  const ack = options.ack ?? 'local'
  if (!ACKNOWLEDGEMENTS.includes(ack)) throw new RangeError(`ack is ${String(ack)}, but must be one of ${ACKNOWLEDGEMENTS.join(', ')}`)
  return {
    ...numbers,
    addresses,
    ack,
    auth: options.auth ?? null,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  }
}

/** `value`, if it is a whole number within the bounds; throws `RangeError`. */
export function checkWhole(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} is ${String(value)}, but must be a whole number from ${least} to ${most}`)
  }
  return value
}
