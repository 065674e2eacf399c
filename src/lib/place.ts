/**
 * Place: what a look at a key found out about where it lies, for whoever looks first and writes then. The store fills it and reads it; to all others it
 * is opaque, but for the stamp. It holds for that key and until the store changes: after that the store looks again by itself.
 */
export class Place {
  /** Of the entry that is there, if the look was for it. */
  ms = 0
  counter = 0
  /** Whether it is neither deleted nor expired. */
  live = false
  hash = 0
  address = 0
  revision = -1
}
