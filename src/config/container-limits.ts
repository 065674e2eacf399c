/**
 * Container limits: how much memory and processor time this process may use, as the kernel's control groups say it.
 *
 * Groups are folders, and a limit binds all that is below it: the smallest on the way from the root of the mount to the process's own group counts.
 * /proc/self/cgroup names that group. Inside a container it is mostly the root of the mount itself; where a container sees its name on the host, it has
 * no such folder, and the root speaks for it. A service of systemd stands further down. Version 2 has `memory.max` and `cpu.max`, version 1
 * `memory.limit_in_bytes`, `cpu.cfs_quota_us` and `cpu.cfs_period_us` in trees of their own; "unlimited" is `max`, -1, or the largest multiple of a
 * page below 2^63.
 */
const MOUNT = '/sys/fs/cgroup'
const GROUPS = '/proc/self/cgroup'

/** No machine has this much; version 1's word for "unlimited" is above. */
const UNLIMITED_BYTES = 2 ** 60

/** Answers `null` for a file that cannot be read. */
type ReadFile = (path: string) => string | null

/** The limit in bytes; `null` when there is none, or none can be read. */
export function readMemoryLimit(readFile: ReadFile): number | null {
  const bytes = smallest([
    ...foldersOf(readFile, null).map((folder) => wholeNumber(readFile(`${folder}/memory.max`))),
    ...foldersOf(readFile, 'memory').map((folder) => wholeNumber(readFile(`${folder}/memory.limit_in_bytes`))),
  ])
  return bytes !== null && bytes < UNLIMITED_BYTES ? bytes : null
}

/** The limit in processors, such as 0.5; `null` when there is none, or none can be read. */
export function readCpuLimit(readFile: ReadFile): number | null {
  return smallest([
    ...foldersOf(readFile, null).map((folder) => {
      const [quota, period] = readFile(`${folder}/cpu.max`)?.trim().split(' ') ?? []
      return share(quota, period)
    }),
    ...foldersOf(readFile, 'cpu').map((folder) => share(readFile(`${folder}/cpu.cfs_quota_us`), readFile(`${folder}/cpu.cfs_period_us`))),
  ])
}

/** From the root of a tree to the process's group: the tree of a controller of version 1, or that of version 2. */
function foldersOf(readFile: ReadFile, controller: string | null): string[] {
  const folders = [controller === null ? MOUNT : `${MOUNT}/${controller}`]
  // `4:cpu,cpuacct:/path`, or `0::/path`.
  const line = (readFile(GROUPS) ?? '').split('\n').find((one) => {
    const controllers = one.split(':')[1]
    return controller === null ? controllers === '' : controllers?.split(',').includes(controller)
  })
  const path = line?.split(':').slice(2).join(':') ?? ''
  for (const name of path.split('/').filter((part) => part !== '')) {
    // A group outside of what is mounted here.
    if (name === '..') break
    folders.push(`${folders.at(-1)}/${name}`)
  }
  return folders
}

function share(quota: string | null | undefined, period: string | null | undefined): number | null {
  const quotaUs = wholeNumber(quota)
  const periodUs = wholeNumber(period)
  return quotaUs === null || periodUs === null ? null : quotaUs / periodUs
}

function smallest(limits: readonly (number | null)[]): number | null {
  const known = limits.filter((limit) => limit !== null)
  return known.length === 0 ? null : Math.min(...known)
}

function wholeNumber(text: string | null | undefined): number | null {
  const trimmed = text?.trim() ?? ''
  return /^\d+$/.test(trimmed) && Number(trimmed) > 0 ? Number(trimmed) : null
}
