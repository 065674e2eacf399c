/**
 * The load: redis-benchmark and wrk, as anybody can run them, and what they say read as numbers.
 */
import { runProgram } from './children.ts'
import { HOST, programPath } from './machine.ts'
import type { ServerProcess } from './server-process.ts'

export interface LoadFigures {
  readonly requests: number
  readonly perSecond: number
  readonly p99Ms: number
}

/** One run of a load against one server. */
export interface Sample extends LoadFigures {
  /** CPU time of the server, in microseconds a request. */
  readonly cpuMicros: number
}

export interface RespLoad {
  readonly command: 'GET' | 'SET'
  readonly pipeline: number
  readonly requests: number
  readonly connections: number
  /** Keys are `key:` and twelve digits, below this. */
  readonly keys: number
  readonly valueBytes: number
}

export interface HttpLoad {
  readonly path: string
  /** Paths to ask for in turn instead, one a line. */
  readonly pathsFile?: string
  readonly seconds: number
  readonly connections: number
}

const PATHS_SCRIPT = new URL('paths.lua', import.meta.url).pathname
/** No server is so slow that it would take longer. */
const SLOWEST_PER_SECOND = 2_000
const LATE_MS = 20_000

export async function redisBenchmark(server: ServerProcess, load: RespLoad): Promise<Sample> {
  const { command, requests } = load
  const flags = {
    h: HOST,
    p: server.port,
    t: command.toLowerCase(),
    n: requests,
    c: load.connections,
    P: load.pipeline,
    d: load.valueBytes,
    r: load.keys,
  }
  const args = [...Object.entries(flags).flatMap(([flag, value]) => [`-${flag}`, String(value)]), '--csv']
  return sampled(server, async () => {
    const limitMs = LATE_MS + (requests * 1_000) / SLOWEST_PER_SECOND
    return { requests, ...parseRedisBenchmark(await runProgram(programPath('redis-benchmark'), args, limitMs), command) }
  })
}

export async function wrk(server: ServerProcess, load: HttpLoad): Promise<Sample> {
  const { path, pathsFile, seconds, connections } = load
  const script = pathsFile === undefined ? [] : ['-s', PATHS_SCRIPT]
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', ...script, `http://${HOST}:${server.port}${path}`]
  if (pathsFile !== undefined) args.push('--', pathsFile)
  return sampled(server, async () => parseWrk(await runProgram(programPath('wrk'), args, LATE_MS + seconds * 1_000)))
}

async function sampled(server: ServerProcess, run: () => Promise<LoadFigures>): Promise<Sample> {
  const before = server.cpuMicros()
  const figures = await run()
  return { ...figures, cpuMicros: (server.cpuMicros() - before) / figures.requests }
}

/** Reads what `redis-benchmark --csv` prints: a line of names, and one for each command. */
export function parseRedisBenchmark(csv: string, command: string): Pick<LoadFigures, 'perSecond' | 'p99Ms'> {
  const lines = csv.split('\n').map((line) => line.split(',').map((cell) => cell.trim().replace(/^"(.*)"$/, '$1')))
  const names = lines.find((cells) => cells[0] === 'test')
  const row = lines.find((cells) => cells[0] === command)
  const figure = (name: string): number => Number(row?.[names?.indexOf(name) ?? -1])
  const figures = { perSecond: figure('rps'), p99Ms: figure('p99_latency_ms') }
  if (!(figures.perSecond > 0) || !(figures.p99Ms >= 0)) throw new Error(`redis-benchmark did not answer as expected: ${csv.trim()}`)
  return figures
}

const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, m: 60_000 }

/** Reads what `wrk --latency` prints. A run with answers other than 200, or with broken connections, is no figure: throws. */
export function parseWrk(text: string): LoadFigures {
  const trouble = /^\s*(?:Non-2xx or 3xx responses|Socket errors):.*$/m.exec(text)
  if (trouble !== null) throw new Error(`wrk was not served well: ${trouble[0].trim()}`)
  const requests = /^\s*(\d+) requests in /m.exec(text)?.[1]
  const perSecond = /^Requests\/sec:\s*([\d.]+)$/m.exec(text)?.[1]
  const p99 = /^\s*99%\s+([\d.]+)(us|ms|s|m)$/m.exec(text)
  if (requests === undefined || perSecond === undefined || p99 === null || requests === '0')
    throw new Error(`wrk did not answer as expected: ${text.trim()}`)
  return { requests: Number(requests), perSecond: Number(perSecond), p99Ms: Number(p99[1]) * (UNIT_MS[p99[2] as string] as number) }
}
