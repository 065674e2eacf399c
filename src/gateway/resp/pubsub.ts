/**
 * PubSub: which receivers of this node listen to which channels and patterns.
 *
 * Names are bytes, kept as latin1 strings, one character a byte. A message costs one lookup for its channel and one match for each pattern there is.
 *
 * A message for many is handed out in turns of the event loop, and those that come meanwhile wait behind it: so each receiver gets all in the order in
 * which they were published, whatever the turns. Whoever stops listening before a message has reached it does not get it. If more bytes wait than
 * are worth a pause, all of them are handed out at once.
 */
import type { Clock } from '../../lib/clock.ts'
import { matchesGlob } from './glob.ts'
import { Turn } from './turn.ts'

/** So many are handed a message without a look at the clock, if it is small and no other waits. */
const FEW_RECEIVERS = 64
const SMALL_BYTES = 4096
/** What a receiver takes in the list of a message that waits. */
const RECEIVER_BYTES = 8
const MAX_WAITING_BYTES = 16 * 1024 * 1024

/** One message on its way to those who listened to its channel, or to one pattern, when it was published. */
interface Delivery {
  readonly pattern: Buffer | null
  readonly channel: Buffer
  readonly message: Buffer
  readonly receivers: readonly Receiver[]
  /** Who listens now. */
  readonly listening: ReadonlySet<Receiver>
  /** The first of `receivers` that has not got it. */
  next: number
}

/** Gets the messages; a session's connection. Called in the midst of a publish: it must not subscribe or unsubscribe anybody. */
export interface Receiver {
  message(channel: Buffer, message: Buffer): void
  patternMessage(pattern: Buffer, channel: Buffer, message: Buffer): void
}

interface Pattern {
  readonly bytes: Buffer
  readonly receivers: Set<Receiver>
}

export class PubSub {
  readonly #channels = new Map<string, Set<Receiver>>()
  readonly #patterns = new Map<string, Pattern>()
  readonly #clock: Clock
  readonly #turn: Turn
  readonly #waiting: Delivery[] = []
  #waitingBytes = 0
  deliveredTotal = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#turn = new Turn(clock)
  }

  get channelCount(): number {
    return this.#channels.size
  }

  get patternCount(): number {
    return this.#patterns.size
  }

  channels(): Iterable<string> {
    return this.#channels.keys()
  }

  subscribers(channel: string): number {
    return this.#channels.get(channel)?.size ?? 0
  }

  subscribe(channel: string, receiver: Receiver): void {
    const receivers = this.#channels.get(channel)
    if (receivers === undefined) this.#channels.set(channel, new Set([receiver]))
    else receivers.add(receiver)
  }

  unsubscribe(channel: string, receiver: Receiver): void {
    const receivers = this.#channels.get(channel)
    if (receivers?.delete(receiver) && receivers.size === 0) this.#channels.delete(channel)
  }

  subscribePattern(pattern: string, receiver: Receiver): void {
    const known = this.#patterns.get(pattern)
    if (known === undefined) this.#patterns.set(pattern, { bytes: Buffer.from(pattern, 'latin1'), receivers: new Set([receiver]) })
    else known.receivers.add(receiver)
  }

  unsubscribePattern(pattern: string, receiver: Receiver): void {
    const known = this.#patterns.get(pattern)
    if (known?.receivers.delete(receiver) && known.receivers.size === 0) this.#patterns.delete(pattern)
  }

  /** Hands a message to all who listen, now or in further turns; answers how many they are. O(receivers + patterns). The bytes are valid during the call. */
  deliver(channel: Buffer, message: Buffer): number {
    const channelReceivers = this.#channels.get(channel.toString('latin1'))
    let delivered = channelReceivers === undefined ? 0 : this.#begin(null, channel, message, channelReceivers)
    for (const { bytes, receivers } of this.#patterns.values()) {
      if (matchesGlob(bytes, channel)) delivered += this.#begin(bytes, channel, message, receivers)
    }
    this.deliveredTotal += delivered
    return delivered
  }

  #begin(pattern: Buffer | null, channel: Buffer, message: Buffer, listening: ReadonlySet<Receiver>): number {
    if (this.#waiting.length === 0 && listening.size <= (message.length <= SMALL_BYTES ? FEW_RECEIVERS : 1)) {
      for (const receiver of listening) hand(receiver, pattern, channel, message)
      return listening.size
    }
    const receivers = [...listening]
    this.#waiting.push({ pattern, channel: Buffer.from(channel), message: Buffer.from(message), receivers, listening, next: 0 })
    this.#waitingBytes += message.length + receivers.length * RECEIVER_BYTES
    if (this.#waiting.length === 1) this.#handOut()
    else if (this.#waitingBytes > MAX_WAITING_BYTES) this.#handOut(true)
    return receivers.length
  }

  /** Until nothing waits, or the turn is over and others are to have theirs. */
  #handOut(atOnce: boolean = false): void {
    const turn = this.#turn.begin()
    for (let delivery = this.#waiting[0]; delivery !== undefined; delivery = this.#waiting[0]) {
      const { pattern, channel, message, receivers, listening } = delivery
      while (delivery.next < receivers.length) {
        const receiver = receivers[delivery.next++] as Receiver
        if (listening.has(receiver)) hand(receiver, pattern, channel, message)
        if (!atOnce && turn.overNow()) {
          this.#clock.soon(() => this.#handOut())
          return
        }
      }
      this.#waiting.shift()
      this.#waitingBytes -= message.length + receivers.length * RECEIVER_BYTES
    }
  }
}

function hand(receiver: Receiver, pattern: Buffer | null, channel: Buffer, message: Buffer): void {
  if (pattern === null) receiver.message(channel, message)
  else receiver.patternMessage(pattern, channel, message)
}
