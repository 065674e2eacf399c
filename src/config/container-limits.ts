/**
 * Container limits: how much memory and processor time the container may use, as the kernel's control groups say it.
 *
 * Inside a container the group's own files stand at the root of the mount, in version 2 (`memory.max`, `cpu.max`) or version 1
 * (`memory.limit_in_bytes`, `cpu.cfs_quota_us` and `cpu.cfs_period_us`). Version 1 writes "unlimited" as the largest multiple of a page below 2^63, and -1.
 */
const MEMORY_V2 = '/sys/fs/cgroup/memory.max'
const MEMORY_V1 = '/sys/fs/cgroup/memory/memory.limit_in_bytes'
const CPU_V2 = '/sys/fs/cgroup/cpu.max'
const CPU_QUOTA_V1 = '/sys/fs/cgroup/cpu/cpu.cfs_quota_us'
const CPU_PERIOD_V1 = '/sys/fs/cgroup/cpu/cpu.cfs_period_us'

/** No machine has this much; version 1's word for "unlimited" is above. */
const UNLIMITED_BYTES = 2 ** 60

/** Answers `null` for a file that cannot be read. */
type ReadFile = (path: string) => string | null

/** The limit in bytes; `null` when there is none, or none can be read. */
export function readMemoryLimit(readFile: ReadFile): number | null {
  const bytes = wholeNumber(readFile(MEMORY_V2) ?? readFile(MEMORY_V1))
  return bytes !== null && bytes < UNLIMITED_BYTES ? bytes : null
}

/** The limit in processors, such as 0.5; `null` when there is none, or none can be read. */
export function readCpuLimit(readFile: ReadFile): number | null {
  const [quota, period] = readFile(CPU_V2)?.trim().split(' ') ?? [readFile(CPU_QUOTA_V1), readFile(CPU_PERIOD_V1)]
  const quotaUs = wholeNumber(quota)
  const periodUs = wholeNumber(period)
  return quotaUs === null || periodUs === null ? null : quotaUs / periodUs
}

function wholeNumber(text: string | null | undefined): number | null {
  const trimmed = text?.trim() ?? ''
  return /^\d+$/.test(trimmed) && Number(trimmed) > 0 ? Number(trimmed) : null
}
