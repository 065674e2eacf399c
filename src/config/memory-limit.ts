/**
 * Memory limit: how much the container may use, as the kernel's control groups say it.
 *
 * Inside a container the group's own files stand at the root of the mount, in version 2 (`memory.max`) or version 1
 * (`memory.limit_in_bytes`). Version 1 writes "unlimited" as the largest multiple of a page below 2^63.
 */
const V2 = '/sys/fs/cgroup/memory.max'
const V1 = '/sys/fs/cgroup/memory/memory.limit_in_bytes'

/** No machine has this much; version 1's word for "unlimited" is above. */
const UNLIMITED_BYTES = 2 ** 60

/** The limit in bytes; `null` when there is none, or none can be read. `readFile` answers `null` for a file that cannot be read. */
export function readMemoryLimit(readFile: (path: string) => string | null): number | null {
  const text = (readFile(V2) ?? readFile(V1))?.trim()
  if (text === undefined || !/^\d+$/.test(text)) return null
  const bytes = Number(text)
  return bytes > 0 && bytes < UNLIMITED_BYTES ? bytes : null
}
