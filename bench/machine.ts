/**
 * The machine: which core is whose, which programs are there and of which version, and what a reader has to know about it.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { availableParallelism, cpus, release } from 'node:os'
import { join } from 'node:path'

export const HOST = '127.0.0.1'
export const SERVER_CORE = 0
const LOAD_CORE = 1

interface ProgramRow {
  /** Debian's package. */
  readonly package: string
  readonly askVersion: string
  /** The version in what it answers. */
  readonly version: RegExp
}

export type Program = 'redis-server' | 'redis-benchmark' | 'memcached' | 'nginx' | 'wrk' | 'go'

const PROGRAMS: Readonly<Record<Program, ProgramRow>> = {
  'redis-server': { package: 'redis-server', askVersion: '--version', version: /v=(\S+)/ },
  'redis-benchmark': { package: 'redis-tools', askVersion: '--version', version: /redis-benchmark (\S+)/ },
  memcached: { package: 'memcached', askVersion: '--version', version: /memcached (\S+)/ },
  nginx: { package: 'nginx-light', askVersion: '-v', version: /nginx\/(\S+)/ },
  wrk: { package: 'wrk', askVersion: '-v', version: /wrk (?:debian\/)?(\S+)/ },
  go: { package: 'golang-go', askVersion: 'version', version: /go version go(\S+)/ },
}

/** Where Debian puts servers; not every user's PATH has it. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** Its path, or `null` where it is not installed. */
function findProgram(name: string): string | null {
  for (const folder of [...(process.env['PATH'] ?? '').split(':'), ...SYSTEM_FOLDERS]) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // The next folder may have it.
    }
  }
  return null
}

/** For programs that are known to be there. */
export function programPath(name: Program): string {
  const path = findProgram(name)
  if (path === null) throw new Error(missingSentence(name))
  return path
}

export function isThere(name: Program): boolean {
  return findProgram(name) !== null
}

export function missingSentence(name: Program): string {
  return `${name} is not installed (Debian package ${PROGRAMS[name].package})`
}

/** Names and versions of the programs that are there. */
export function describePrograms(): string {
  const known = (Object.keys(PROGRAMS) as Program[]).filter(isThere)
  return known.map((name) => `${name} ${versionOf(name)}`).join(', ')
}

function versionOf(name: Program): string {
  const { askVersion, version } = PROGRAMS[name]
  // Some answer on the standard output, some on the other, and wrk calls it a failure.
  const { stdout, stderr } = spawnSync(programPath(name), [askVersion], { encoding: 'utf8', timeout: 10_000 })
  return version.exec(`${stdout}${stderr}`)?.[1] ?? 'of unknown version'
}

export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU'
  return `${model}, ${cpus().length} cores, Linux ${release()}${distribution()}, Node ${process.version}`
}

function distribution(): string {
  try {
    const name = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1]
    return name === undefined ? '' : ` (${name})`
  } catch {
    return ''
  }
}

/** Why nothing can be measured here, or `null`. */
export function unfitness(): string | null {
  if (process.platform !== 'linux') return 'the figures are read from /proc: this needs Linux'
  if (findProgram('taskset') === null) return 'taskset is not installed (Debian package util-linux)'
  if (availableParallelism() < 2) return 'one core serves and one makes the load: this needs two cores'
  return null
}

/** This process, all its threads, and every load it starts from now on. */
export function moveToLoadCore(): void {
  const { status, stderr } = spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(LOAD_CORE), String(process.pid)], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`cannot move to core ${LOAD_CORE}: ${stderr.trim()}`)
}
