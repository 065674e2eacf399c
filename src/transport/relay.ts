/**
 * Relay: calls around a cut link. Two members that cannot reach each other, and both reach a third, go on through it.
 *
 * A call to a member without an open link is put into an envelope that names the addressee as the caller sees it, name and generation, and handed to
 * a member with one. That member passes the call on once, over its own link to just that life, and hands back the answer or the failure. It never
 * tries again and never puts one envelope into another, so a call crosses two links at most and is executed at most once; a failure means to the
 * caller what it would have meant on a link of its own: `unreachable` certainly did not arrive, `lost` may have.
 *
 * Only members that nobody suspects are called so, by caller and relay alike: behind a link that broke because its other end died there may be others
 * that have not broken yet, and what is sent into them is lost.
 *
 * Who could not pass a call on is not asked again for `SHUN_MS`: a member that is gone costs the others one question each, whatever waits for it.
 */
import { ByteReader, ByteWriter, MalformedError } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { CallDone, CallFailure, CallHandler, Calls } from './calls.ts'
import type { PeerIdentity } from './links.ts'

/** Call: pass this call on. */
export const KIND_RELAY = 60

const SHUN_MS = 500
const MAX_SHUNNED = 4096
/** The caller waits longer by this than the relay does, to hear what became of a call that was passed on. */
const MARGIN_MS = 50
/** No call between members takes longer. */
const MAX_TIMEOUT_MS = 60_000

/** First byte of an answer: the addressee's answer follows, or how the call failed. */
const ANSWERED = 0
const FAILURES: readonly (CallFailure | null)[] = [null, 'unreachable', 'lost', 'busy', 'refused', 'too large', 'answer too large']

export interface RelayOptions {
  readonly calls: Calls
  readonly clock: Clock
  readonly random: Random
  /** The other members that are alive and not suspected, in their present lives. */
  readonly others: () => Iterable<PeerIdentity>
}

export interface RelayStats {
  /** Calls of this member that went by way of a third. */
  readonly detouredTotal: number
  /** Calls of others that this member passed on. */
  readonly passedTotal: number
}

export class Relay {
  readonly #calls: Calls
  readonly #clock: Clock
  readonly #random: Random
  readonly #others: () => Iterable<PeerIdentity>
  /** By addressee: the member that passed on the last call to it. */
  readonly #ways = new Map<string, string>()
  /** By relay and addressee: until when it is not asked again. */
  readonly #shunnedUntilMs = new Map<string, number>()
  #detouredTotal = 0
  #passedTotal = 0

  constructor({ calls, clock, random, others }: RelayOptions) {
    this.#calls = calls
    this.#clock = clock
    this.#random = random
    this.#others = others
    calls.handle(KIND_RELAY, (_from, body, respond) => {
      if (respond !== null) this.#pass(body, respond)
    })
  }

  handle(kind: number, handler: CallHandler): void {
    this.#calls.handle(kind, handler)
  }

  /** As `Calls.call`, over the link to the member or around it. */
  call(name: string, kind: number, body: Buffer, timeoutMs: number, done: CallDone, now: boolean = false): void {
    if (this.#calls.isOpen(name)) {
      this.#calls.call(name, kind, body, timeoutMs, done, now)
      return
    }
    const others = [...this.#others()]
    const to = others.find((other) => other.name === name)
    const way = to === undefined ? undefined : this.#wayTo(name, others)
    // Without a way around it fails as a call over no link does.
    if (to === undefined || way === undefined) this.#calls.call(name, kind, body, timeoutMs, done)
    else this.#detour(way, to, kind, body, timeoutMs, done)
  }

  /** Whether a call to the member would leave: over its own link, or around it. */
  reaches(name: string): boolean {
    if (this.#calls.isOpen(name)) return true
    const others = [...this.#others()]
    return others.some((other) => other.name === name) && this.#waysTo(name, others).length > 0
  }

  stats(): RelayStats {
    return { detouredTotal: this.#detouredTotal, passedTotal: this.#passedTotal }
  }

  #detour(way: string, to: PeerIdentity, kind: number, body: Buffer, timeoutMs: number, done: CallDone): void {
    this.#detouredTotal++
    const envelope = new ByteWriter(body.length + 64).text(to.name).u48(to.generation).u8(kind).u32(timeoutMs).block(body).toBuffer()
    this.#calls.call(way, KIND_RELAY, envelope, timeoutMs + MARGIN_MS, (failure, answer) => {
      if (answer === null) {
        // One that does not know envelopes has not opened it.
        done(failure === 'refused' ? 'unreachable' : failure, null)
        return
      }
      const reader = new ByteReader(answer)
      const result = reader.u8()
      if (result === ANSWERED) {
        this.#ways.set(to.name, way)
        done(null, answer.subarray(1))
        return
      }
      const passed = FAILURES[result]
      if (passed === undefined || passed === null) throw new MalformedError(`there is no failure ${result}`)
      if (passed === 'unreachable') this.#shun(way, to.name)
      done(passed, null)
    })
  }

  /** The member that passed on the last call, or any that may be able to. */
  #wayTo(name: string, others: readonly PeerIdentity[]): string | undefined {
    const open = this.#waysTo(name, others)
    const known = this.#ways.get(name)
    if (open.some((other) => other.name === known)) return known
    return open[Math.floor(this.#random.next() * open.length)]?.name
  }

  #waysTo(name: string, others: readonly PeerIdentity[]): PeerIdentity[] {
    const nowMs = this.#clock.now()
    return others.filter((other) => {
      if (other.name === name || !this.#calls.isOpen(other.name)) return false
      return (this.#shunnedUntilMs.get(`${other.name} ${name}`) ?? Number.NEGATIVE_INFINITY) <= nowMs
    })
  }

  #shun(way: string, name: string): void {
    if (this.#shunnedUntilMs.size >= MAX_SHUNNED) this.#shunnedUntilMs.clear()
    this.#shunnedUntilMs.set(`${way} ${name}`, this.#clock.now() + SHUN_MS)
  }

  /** Throws `MalformedError`. */
  #pass(envelope: Buffer, respond: (answer: Buffer) => void): void {
    const reader = new ByteReader(envelope)
    const name = reader.text()
    const generation = reader.u48()
    const kind = reader.u8()
    const timeoutMs = Math.min(reader.u32(), MAX_TIMEOUT_MS)
    const body = reader.block()
    // Another life than the caller means knows nothing of what the caller goes by.
    const well = [...this.#others()].some((other) => other.name === name && other.generation === generation)
    if (kind === KIND_RELAY || !well || this.#calls.lifeOf(name) !== generation) {
      respond(encodeFailure('unreachable'))
      return
    }
    this.#passedTotal++
    this.#calls.call(name, kind, body, timeoutMs, (failure, answer) => {
      if (answer === null) respond(encodeFailure(failure as CallFailure))
      else respond(new ByteWriter(answer.length + 1).u8(ANSWERED).raw(answer).toBuffer())
    })
  }
}

function encodeFailure(failure: CallFailure): Buffer {
  return Buffer.of(FAILURES.indexOf(failure))
}
