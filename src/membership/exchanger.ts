/**
 * Exchanger: what membership says over exchanges: push/pull, and the ping for those whom packets do not reach.
 *
 * A push/pull carries the whole state there and the whole state back, answered after merging: with one direction alone two members that know
 * different halves would never agree. An exchange of a type that only later versions know stays without an answer.
 */
import type { Address, ExchangeTransport } from '../transport/transport.ts'
import type { Ack, Codec, ExchangeMessage, PushPull } from './codec.ts'
import { isSameLife, type Life, type MemberRecord } from './record.ts'

/** What the exchanger needs of its member. */
export interface ExchangerPort {
  self(): MemberRecord
  others(): readonly MemberRecord[]
  merge(state: PushPull): void
  /** Whether this member neither hears nor says anything at present. */
  isSilent(): boolean
  /** What is told with an ack: whether the thread that serves the data does not run, and the time. */
  health(): Pick<Ack, 'hung' | 'clock'>
  refused(reason: string, from: Address): void
  /** Runs `fn` as a turn of this member, or not at all once it is closed. */
  turn(fn: () => void): void
}

export class Exchanger {
  readonly #transport: ExchangeTransport
  readonly #codec: Codec
  readonly #timeoutMs: number
  readonly #port: ExchangerPort

  constructor(transport: ExchangeTransport, codec: Codec, timeoutMs: number, port: ExchangerPort) {
    this.#transport = transport
    this.#codec = codec
    this.#timeoutMs = timeoutMs
    this.#port = port
  }

  listen(): void {
    this.#transport.onExchange((message, from, respond) => {
      if (this.#port.isSilent()) return
      this.#port.turn(() => {
        const asked = this.#decode(message, from)
        if (asked?.type === 'push-pull') {
          this.#port.merge(asked)
          respond(this.#codec.encodeExchange(this.#state(this.#port.others())))
        } else if (asked?.type === 'ping') {
          respond(this.#codec.encodeExchange(this.#answerTo(asked.target, asked.sequence)))
        }
      })
    })
  }

  /** Both sides tell all they hold. `done` is called with the name of who answered, or without one. */
  pushPull(to: Address, done: (name: string | undefined) => void): void {
    this.#exchange(to, this.#state(this.#port.others()), this.#timeoutMs, (answer) => {
      if (answer?.type === 'push-pull') this.#port.merge(answer)
      done(answer?.type === 'push-pull' ? answer.source.name : undefined)
    })
  }

  /** `answered` is called if this very life of the target answers in time. */
  ping(target: MemberRecord, timeoutMs: number, answered: (ack: Ack) => void): void {
    const ping: ExchangeMessage = { type: 'ping', sequence: 0, target, source: this.#port.self() }
    this.#exchange(target.address, ping, timeoutMs, (answer) => {
      if (answer?.type === 'ack' && isSameLife(answer.from, target)) answered(answer)
      else if (answer?.type === 'push-pull') this.#port.merge(answer)
    })
  }

  #answerTo(target: Life, sequence: number): ExchangeMessage {
    const self = this.#port.self()
    return isSameLife(target, self) ? { type: 'ack', sequence, from: self, ...this.#port.health() } : this.#state([])
  }

  #state(others: readonly MemberRecord[]): PushPull {
    const self = this.#port.self()
    return { type: 'push-pull', source: self, records: [self, ...others] }
  }

  #exchange(to: Address, message: ExchangeMessage, timeoutMs: number, done: (answer: ExchangeMessage | null) => void): void {
    this.#transport.exchange(to, this.#codec.encodeExchange(message), timeoutMs, (_error, answer) => {
      this.#port.turn(() => done(answer === null ? null : this.#decode(answer, to)))
    })
  }

  #decode(message: Buffer, from: Address): ExchangeMessage | null {
    const decoded = this.#codec.decodeExchange(message)
    if (decoded.ok) return decoded.value
    this.#port.refused(decoded.reason, from)
    return null
  }
}
