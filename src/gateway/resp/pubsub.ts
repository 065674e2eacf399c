/**
 * PubSub: which receivers of this node listen to which channels and patterns.
 *
 * Names are bytes, kept as latin1 strings, one character a byte. A message costs one lookup for its channel and one match for each pattern there is.
 */
import { matchesGlob } from './glob.ts'

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
  deliveredTotal = 0

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

  /** Hands a message to all who listen; answers how many times. O(receivers + patterns). */
  deliver(channel: Buffer, message: Buffer): number {
    let delivered = 0
    const receivers = this.#channels.get(channel.toString('latin1'))
    if (receivers !== undefined) {
      for (const receiver of receivers) receiver.message(channel, message)
      delivered += receivers.size
    }
    for (const { bytes, receivers: listeners } of this.#patterns.values()) {
      if (!matchesGlob(bytes, channel)) continue
      for (const receiver of listeners) receiver.patternMessage(bytes, channel, message)
      delivered += listeners.size
    }
    this.deliveredTotal += delivered
    return delivered
  }
}
