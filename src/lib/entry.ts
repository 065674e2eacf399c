/**
 * Entry: one key and all that belongs to it, as a window into bytes that somebody else owns.
 *
 * It is the one shape in which entries pass between the rooms: the store fills one when it is read, a frame decoder fills one from the bytes
 * that came, and whoever receives it reads it before the next call and keeps nothing. One object is used again and again, so the paths that
 * carry every request allocate none.
 */
import { NO_BYTES } from './bytes.ts'
import { Item } from './item.ts'

export { VALUE_JSON, VALUE_STRING, type ValueKind } from './item.ts'

/** `expiresAtMs` of an entry that does not expire. */
export const NEVER = 0

export class Entry extends Item {
  /** The entry says that the key was deleted; its value is empty. */
  tombstone = false
  /** Milliseconds since 1970 at which the entry ceases to exist; `NEVER` (0) for one that does not. */
  expiresAtMs: number = NEVER
  /**
   * Of an entry that expires: it took the place of one that would be there for longer, or of a deletion. A copy that missed it may have that older one still,
   * so its end has to be remembered as a deletion's is. Means nothing for any other entry.
   */
  outlived = false

  /** An independent copy with bytes of its own, or of the key's alone. */
  copy(withValue: boolean = true): Entry {
    const copy = new Entry().setVersion(this.ms, this.counter, this.writer)
    copy.kind = this.kind
    copy.tombstone = this.tombstone
    copy.expiresAtMs = this.expiresAtMs
    copy.outlived = this.outlived
    return copy.setKey(Buffer.from(this.keyBytes())).setValue(withValue ? Buffer.from(this.valueBytes()) : NO_BYTES)
  }

  /** True once `nowMs` (milliseconds since 1970) has reached the expiry. */
  isExpired(nowMs: number): boolean {
    return this.expiresAtMs !== NEVER && this.expiresAtMs <= nowMs
  }
}
