/**
 * Request run: plain reads and writes that one client, or one peer, has sent together, as offsets into the bytes they came in.
 *
 * It is filled by a face and executed by the cache, and the store looks all its keys up at once: the processor then waits for memory once for all
 * of them and not once for each. The arrays are used again and again, so a request costs no object.
 */
import { NO_BYTES } from './bytes.ts'

/** As many as a processor's first cache has room for what they need of the store. */
export const RUN_CAPACITY = 32
/** `valueStart` of a read. */
export const NO_VALUE = -1

export class RequestRun {
  buffer: Buffer = NO_BYTES
  count = 0
  /** By request: where its key lies, and its value, which a read has none of. */
  readonly keyStart: Int32Array = new Int32Array(RUN_CAPACITY)
  readonly keyEnd: Int32Array = new Int32Array(RUN_CAPACITY)
  readonly valueStart: Int32Array = new Int32Array(RUN_CAPACITY)
  readonly valueEnd: Int32Array = new Int32Array(RUN_CAPACITY)
  /** Where what follows the request begins. */
  readonly end: Int32Array = new Int32Array(RUN_CAPACITY)
  readonly slot: Uint16Array = new Uint16Array(RUN_CAPACITY)
  /** What the store has found out, see `Place`: opaque to all others. */
  readonly hash: Uint32Array = new Uint32Array(RUN_CAPACITY)
  readonly address: Uint32Array = new Uint32Array(RUN_CAPACITY)
  revision = -1
  /** Whoever asked is told the versions of what was read, and whether what was written over was there. */
  versions = false
}
