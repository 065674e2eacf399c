/**
 * What Node is told when it runs a server. `Dockerfile` and `npm start` cannot import it and say the same in their own words; a test compares them.
 *
 * The young generation's halves are 4 MiB instead of 16: what a message between members leaves behind lies mostly outside the heap, and only a look at the
 * young generation frees it. With 16 MiB that look comes so late that the collector marks the whole heap instead, several times a second. HTTP, whose
 * litter lies inside, costs the same either way, and the process takes 30 to 80 MiB less.
 */
export const NODE_FLAGS: readonly string[] = ['--max-semi-space-size=4']
