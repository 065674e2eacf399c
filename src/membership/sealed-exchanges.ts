/**
 * Sealed exchanges: an exchange transport whose messages carry a code that only holders of a key can make (see key-ring.ts).
 *
 *     question   message | nonce 8 bytes | code 16 bytes
 *     answer     message | code 16 bytes, which covers the code of the question too
 *
 * The nonce makes each question another one, and an answer fits its own question only: who recorded the answers of a member cannot give them in
 * its place. A recorded question may be asked again and is answered with what anybody on the network can read anyway. A question without a
 * right code is not answered; an answer without one is an exchange that failed.
 */
import { NO_BYTES } from '../lib/bytes.ts'
import { type Random, randomBelow } from '../lib/random.ts'
import type { Address, ExchangeTransport } from '../transport/transport.ts'
import { CODE_BYTES, type KeyRing } from './key-ring.ts'

const NONCE_BYTES = 8

export class SealedExchanges implements ExchangeTransport {
  readonly #inner: ExchangeTransport
  readonly #ring: KeyRing
  readonly #random: Random
  #forgedTotal = 0

  constructor(inner: ExchangeTransport, ring: KeyRing, random: Random) {
    this.#inner = inner
    this.#ring = ring
    this.#random = random
  }

  /** Questions and answers without a code of one of the keys, dropped or, by a ring that does not verify, let through. */
  get forgedTotal(): number {
    return this.#forgedTotal
  }

  exchange(to: Address, message: Buffer, timeoutMs: number, done: (error: Error | null, answer: Buffer | null) => void): void {
    const question = Buffer.concat([message, this.#nonce()])
    const code = this.#ring.sign('question', question)
    this.#inner.exchange(to, Buffer.concat([question, code]), timeoutMs, (error, sealed) => {
      if (sealed === null) {
        done(error, null)
        return
      }
      const { content, proven } = this.#open('answer', sealed, code)
      if (proven || !this.#ring.verifies) done(null, content)
      else done(new Error('the answer bears no code of a key that is known here'), null)
    })
  }

  onExchange(handle: (message: Buffer, from: Address, respond: (answer: Buffer) => void) => void): void {
    this.#inner.onExchange((sealed, from, respond) => {
      const { content, proven } = this.#open('question', sealed, NO_BYTES)
      if (!proven && this.#ring.verifies) return
      const message = proven ? content.subarray(0, Math.max(0, content.length - NONCE_BYTES)) : content
      // One who has no key sent no code either, and reads what comes before ours.
      const asked = proven ? sealed.subarray(content.length) : Buffer.alloc(CODE_BYTES)
      handle(message, from, (answer) => respond(Buffer.concat([answer, this.#ring.sign('answer', answer, asked)])))
    })
  }

  /** What was sealed, or all of it where the code is none of ours. */
  #open(purpose: 'question' | 'answer', sealed: Buffer, context: Buffer): { readonly content: Buffer; readonly proven: boolean } {
    const end = Math.max(0, sealed.length - CODE_BYTES)
    const content = sealed.subarray(0, end)
    if (this.#ring.accepts(purpose, content, sealed.subarray(end), context)) return { content, proven: true }
    this.#forgedTotal++
    return { content: sealed, proven: false }
  }

  #nonce(): Buffer {
    const nonce = Buffer.allocUnsafe(NONCE_BYTES)
    nonce.writeUInt32BE(randomBelow(this.#random, 2 ** 32), 0)
    nonce.writeUInt32BE(randomBelow(this.#random, 2 ** 32), 4)
    return nonce
  }
}
