/**
 * The machine as the configuration sees it: what defaults are taken from. The only file that asks the operating system.
 */
import { readFileSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { readCpuLimit, readMemoryLimit } from './container-limits.ts'

export interface Machine {
  readonly hostname: string
  /** IPv4 addresses that other machines may reach, in the order of the interfaces. */
  readonly addresses: readonly string[]
  /** `null` when memory is not limited. */
  readonly memoryLimitBytes: number | null
  /** In processors; `null` when their time is not limited. */
  readonly cpuLimit: number | null
}

export function readMachine(): Machine {
  const addresses = Object.values(networkInterfaces())
    .flatMap((addressesOfOne) => addressesOfOne ?? [])
    .filter((address) => address.family === 'IPv4' && !address.internal)
    .map((address) => address.address)
  return { hostname: hostname(), addresses, memoryLimitBytes: readMemoryLimit(readOrNull), cpuLimit: readCpuLimit(readOrNull) }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
