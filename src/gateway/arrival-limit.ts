/**
 * Arrival limit: how long a request may be under way to us before it is given up, on the faces that hear nothing of it from a library.
 *
 * A few seconds are enough for nearly all, and a large value over a slow link needs more. So a request has a time that all have, and as much more
 * as what has come of it takes at the least rate that is put up with: who sends one byte now and then gets no further.
 */
const GRACE_MS = 30_000
/** 16 KiB a second. */
const LEAST_BYTES_PER_MS = 16.384

/** In ms, for a request of which so many bytes have come. */
export function arrivalLimitMs(bytes: number): number {
  return GRACE_MS + bytes / LEAST_BYTES_PER_MS
}
