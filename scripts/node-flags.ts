/**
 * What Node is told when it runs a server. `Dockerfile` and `npm start` cannot import it and say the same in their own words; a test compares them.
 *
 * The young generation's halves are 2 MiB instead of 16: what a message between members leaves behind lies mostly outside the heap, and only a look at the
 * young generation frees it. Where that look comes late the collector marks the whole heap instead, several times a second and on other threads: who
 * executes what others forward spent more than a third of its time on the collector with 4 MiB. HTTP, whose litter lies inside, pays for the more frequent
 * looks with a tenth of a POST's time and nothing of a GET's.
 */
export const NODE_FLAGS: readonly string[] = ['--max-semi-space-size=2']
