/**
 * Key ring: signs what leaves with its first key, and believes what any of its keys has signed.
 *
 * The code is HMAC-SHA-256 (RFC 2104) cut to 16 bytes (section 5), over the purpose, whatever context the two sides share, and the message. It
 * is appended: a member without keys, which skips bytes after the last message, reads the same packet. That is how signing begins in a cluster
 * that runs: first all members sign and believe everybody (`verifies` false), then all of them verify. Keys change in three steps, each of them
 * at all members before the next: add the new key behind the old one, put it first, take the old one away.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { NO_BYTES } from '../lib/bytes.ts'
import type { SecretKeys } from '../lib/secret-keys.ts'

export const CODE_BYTES = 16

/** A code of one purpose does not pass for another's: a packet cannot be sent back as an exchange. */
export type Purpose = 'packet' | 'question' | 'answer'

export class KeyRing {
  /** False while members without keys have to be believed. */
  readonly verifies: boolean
  #keys: readonly Buffer[]

  constructor(keys: SecretKeys, verifies: boolean) {
    this.#keys = keys.bytes()
    this.verifies = verifies
  }

  /** From now on these sign and verify. */
  replace(keys: SecretKeys): void {
    this.#keys = keys.bytes()
  }

  sign(purpose: Purpose, message: Buffer, context: Buffer = NO_BYTES): Buffer {
    return codeOf(this.#keys[0] as Buffer, purpose, message, context)
  }

  /** Compares in constant time. One hash for each key, until one fits. */
  accepts(purpose: Purpose, message: Buffer, code: Buffer, context: Buffer = NO_BYTES): boolean {
    return code.length === CODE_BYTES && this.#keys.some((key) => timingSafeEqual(codeOf(key, purpose, message, context), code))
  }
}

function codeOf(key: Buffer, purpose: Purpose, message: Buffer, context: Buffer): Buffer {
  // Each purpose has a context of one length, so that no two inputs read alike.
  return createHmac('sha256', key).update(`${purpose}\0`).update(context).update(message).digest().subarray(0, CODE_BYTES)
}
