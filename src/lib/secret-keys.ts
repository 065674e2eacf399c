/**
 * Secret keys: bytes that sign, held so that they do not slip into a log, an error or a page of settings by being part of what is shown whole.
 *
 * They are read from text, standard base64, and no message about that text quotes it. Who needs the bytes asks for them by name.
 */

/** Shorter keys can be guessed; longer ones HMAC-SHA-256 would shorten again. */
export const MIN_KEY_BYTES = 16
export const MAX_KEY_BYTES = 64
export const MAX_KEYS = 8

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

export class SecretKeys {
  readonly #keys: readonly Buffer[]

  private constructor(keys: readonly Buffer[]) {
    this.#keys = keys
  }

  /** One to 8 keys of 16 to 64 bytes each, in base64. Throws a `RangeError` that tells which one is wrong, and not what it says. */
  static parse(texts: readonly string[]): SecretKeys {
    if (texts.length === 0 || texts.length > MAX_KEYS) throw new RangeError(`there are ${texts.length} keys, but must be 1 to ${MAX_KEYS}`)
    const keys = texts.map((text, index) => {
      const key = Buffer.from(text, 'base64')
      if (!BASE64.test(text) || key.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, '')) {
        throw new RangeError(`key ${index + 1} is not base64`)
      }
      if (key.length < MIN_KEY_BYTES || key.length > MAX_KEY_BYTES) {
        throw new RangeError(`key ${index + 1} has ${key.length} bytes, but must have ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES}`)
      }
      if (texts.indexOf(text) !== index) throw new RangeError(`key ${index + 1} is there twice`)
      return key
    })
    return new SecretKeys(keys)
  }

  /** In the order in which they were given. */
  bytes(): readonly Buffer[] {
    return this.#keys
  }

  /** Not in constant time: for two sets that are both our own. */
  equals(other: SecretKeys): boolean {
    return this.#keys.length === other.#keys.length && this.#keys.every((key, index) => key.equals(other.#keys[index] as Buffer))
  }

  toJSON(): string {
    return '[secret]'
  }
}
