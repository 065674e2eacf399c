/**
 * Advice: what can be started and will not go well, for the log of the start. Contradictions are refused instead (options.ts).
 */
import type { Machine } from './machine.ts'
import type { Options } from './option-table.ts'

/**
 * What a member takes beside its entries: some 140 MiB for the runtime before the first client, then buffers and backlogs. docs/operations.md counts with
 * the same.
 */
const RUNTIME_BYTES = 200 * 2 ** 20
/** With less, the garbage collector alone uses up whole periods of the quota, and the member stands still until the next. */
const LEAST_CPUS = 0.5

/** One sentence each. */
export function adviceOn({ maxMemoryBytes }: Options, { memoryLimitBytes, cpuLimit }: Machine): string[] {
  const advice: string[] = []
  if (memoryLimitBytes !== null && memoryLimitBytes - maxMemoryBytes < RUNTIME_BYTES) {
    advice.push(
      `maxMemoryBytes is ${maxMemoryBytes} of the ${memoryLimitBytes} bytes that the container may use: that leaves less than ${RUNTIME_BYTES} for everything else, and a full cache may be killed for it`,
    )
  }
  if (cpuLimit !== null && cpuLimit < LEAST_CPUS) {
    advice.push(
      `the container may use ${cpuLimit} of a processor, less than ${LEAST_CPUS}: it will stand still now and then, and other members may suspect it`,
    )
  }
  return advice
}
