/**
 * Prober: asks one member whether it is there, and others where it does not answer (SWIM, section 3.1; Lifeguard's nacks).
 *
 * A probe is a ping; without an ack in time, pings through relays and, at the same moment, one over an exchange, in case it is only packets
 * that do not pass. It has failed when its interval ends without an ack by any way. A relay that hears nothing either says so with a nack: if
 * the nacks are missing too, the fault is more likely here, and the awareness falls.
 *
 * Messages are made and sent by the port; what a failure means is decided there as well.
 */
import type { Clock, Timer } from '../lib/clock.ts'
import type { Address } from '../transport/transport.ts'
import type { Awareness } from './awareness.ts'
import type { PingRequest } from './codec.ts'
import type { SwimOptions } from './options.ts'
import { isSameLife, type Life, type MemberRecord } from './record.ts'

/** What the prober needs of its member. `later` is `Clock.after`, silent once the member is closed. */
export interface ProberPort {
  later(ms: number, fn: () => void): Timer
  sendPing(to: Address, sequence: number, target: Life): void
  sendPingRequest(relay: MemberRecord, sequence: number, target: MemberRecord, nackAfterMs: number): void
  sendAck(to: Address, sequence: number, from: Life, hung: boolean): void
  sendNack(to: Address, sequence: number): void
  pingByExchange(target: MemberRecord, timeoutMs: number, answered: () => void): void
  chooseRelays(target: MemberRecord, count: number): readonly MemberRecord[]
  probeFailed(target: MemberRecord): void
}

interface Probe {
  readonly target: MemberRecord
  readonly sentMs: number
  relays: number
  nacks: number
  readonly timers: Timer[]
}

interface Relayed {
  readonly requester: Address
  readonly request: PingRequest
  readonly timers: Timer[]
}

const ROUND_TRIPS_KEPT = 64
/** Pings under way for others; more are not taken on, which their probes survive. */
const MAX_RELAYED = 256
/** How much of the rest of the interval a relay gets before its nack has to leave. */
const NACK_SHARE = 0.8
const MAX_SEQUENCE = 2 ** 32

export class Prober {
  readonly #clock: Clock
  readonly #options: SwimOptions
  readonly #awareness: Awareness
  readonly #port: ProberPort
  readonly #probes = new Map<number, Probe>()
  readonly #relayed = new Map<number, Relayed>()
  readonly #roundTripsMs: number[] = []
  #roundTripAt = 0
  #sequence: number
  #probesTotal = 0
  #failuresTotal = 0

  constructor(clock: Clock, firstSequence: number, options: SwimOptions, awareness: Awareness, port: ProberPort) {
    this.#clock = clock
    this.#sequence = firstSequence
    this.#options = options
    this.#awareness = awareness
    this.#port = port
  }

  get probesTotal(): number {
    return this.#probesTotal
  }

  get failuresTotal(): number {
    return this.#failuresTotal
  }

  /** Three times the slowest of the last round trips, within its bounds: with 64 of them a stricter reading of "99 %". */
  get timeoutMs(): number {
    const { minProbeTimeoutMs, maxProbeTimeoutMs } = this.#options
    return Math.min(maxProbeTimeoutMs, Math.max(minProbeTimeoutMs, 3 * Math.max(0, ...this.#roundTripsMs)))
  }

  /** One probe of `target`; none when one is running. `urgent`: there is evidence against it, so all ways are tried at once. */
  probe(target: MemberRecord, urgent: boolean): void {
    for (const running of this.#probes.values()) if (running.target.name === target.name) return
    const sequence = this.#nextSequence()
    const probe: Probe = { target, sentMs: this.#clock.now(), relays: 0, nacks: 0, timers: [] }
    this.#probes.set(sequence, probe)
    this.#probesTotal++
    const intervalMs = this.#awareness.scale(this.#options.probeIntervalMs)
    const timeoutMs = urgent ? 0 : this.timeoutMs
    probe.timers.push(this.#port.later(intervalMs, () => this.#fail(sequence)))
    this.#port.sendPing(target.address, sequence, target)
    if (urgent) this.#probeIndirectly(sequence, intervalMs)
    else probe.timers.push(this.#port.later(timeoutMs, () => this.#probeIndirectly(sequence, intervalMs - timeoutMs)))
  }

  /** When the ping was sent, if this answers one of this member's own; else null. `hung` is passed on to whoever asked through this member. */
  acked(sequence: number, from: Life, hung: boolean): number | null {
    const probe = this.#probes.get(sequence)
    if (probe !== undefined) {
      if (!isSameLife(from, probe.target)) return null
      if (probe.relays === 0) this.#noteRoundTrip(this.#clock.now() - probe.sentMs)
      this.#succeed(sequence)
      return probe.sentMs
    }
    const relayed = this.#relayed.get(sequence)
    if (relayed === undefined || !isSameLife(from, relayed.request.target)) return null
    this.#endRelayed(sequence)
    this.#port.sendAck(relayed.requester, relayed.request.sequence, from, hung)
    return null
  }

  nacked(sequence: number): void {
    const probe = this.#probes.get(sequence)
    if (probe !== undefined && probe.nacks < probe.relays) probe.nacks++
  }

  /** Probes on behalf of another member. */
  relay(requester: Address, request: PingRequest): void {
    if (this.#relayed.size >= MAX_RELAYED) return
    const sequence = this.#nextSequence()
    const relayed: Relayed = { requester, request, timers: [] }
    this.#relayed.set(sequence, relayed)
    relayed.timers.push(this.#port.later(request.nackAfterMs, () => this.#port.sendNack(requester, request.sequence)))
    relayed.timers.push(this.#port.later(2 * this.#options.probeIntervalMs, () => this.#endRelayed(sequence)))
    this.#port.sendPing(request.address, sequence, request.target)
  }

  /** Forgets what is under way without a verdict: this process stood still, or is going. */
  reset(): void {
    for (const sequence of [...this.#probes.keys()]) this.#end(sequence)
    for (const sequence of [...this.#relayed.keys()]) this.#endRelayed(sequence)
  }

  #probeIndirectly(sequence: number, remainingMs: number): void {
    const probe = this.#probes.get(sequence)
    if (probe === undefined) return
    const relays = this.#port.chooseRelays(probe.target, this.#options.indirectProbes)
    probe.relays = relays.length
    for (const relay of relays) this.#port.sendPingRequest(relay, sequence, probe.target, Math.floor(remainingMs * NACK_SHARE))
    this.#port.pingByExchange(probe.target, remainingMs, () => this.#succeed(sequence))
  }

  #succeed(sequence: number): void {
    if (this.#end(sequence) !== undefined) this.#awareness.apply(-1)
  }

  #fail(sequence: number): void {
    const probe = this.#end(sequence)
    if (probe === undefined) return
    this.#failuresTotal++
    this.#awareness.apply(probe.relays === 0 ? 1 : probe.relays - probe.nacks)
    this.#port.probeFailed(probe.target)
  }

  #end(sequence: number): Probe | undefined {
    const probe = this.#probes.get(sequence)
    this.#probes.delete(sequence)
    for (const timer of probe?.timers ?? []) timer.cancel()
    return probe
  }

  #endRelayed(sequence: number): void {
    for (const timer of this.#relayed.get(sequence)?.timers ?? []) timer.cancel()
    this.#relayed.delete(sequence)
  }

  #noteRoundTrip(ms: number): void {
    this.#roundTripsMs[this.#roundTripAt] = ms
    this.#roundTripAt = (this.#roundTripAt + 1) % ROUND_TRIPS_KEPT
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) % MAX_SEQUENCE
    return this.#sequence
  }
}
