/**
 * SIGTERM and SIGINT, heard from the first line of the process on. `main.ts` imports this page before any other: the kernel drops a signal that process 1
 * has no handler for, so a pod deleted while the rest is loaded, a second or more on a busy machine, would live on until it is killed.
 */

/** Until somebody listens nothing has begun that would have to be ended. */
let listener = (): void => process.exit(0)

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => listener())

/** From now on each of these signals calls `stop`, a second one again. */
export function whenAskedToStop(stop: () => void): void {
  listener = stop
}
