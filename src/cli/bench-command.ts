/** The command bench: options in, table or JSON out. */
import { Option } from 'commander'
import type { ClientOptions } from '../client/index.ts'
import { Bench, type BenchReport, type Figures } from './bench.ts'
import { EXIT, type ExitCode, exitCodeOf } from './exit-code.ts'
import { readDuration, readShare, wholeNumber } from './number-argument.ts'
import { type Progress, startProgress } from './progress.ts'
import { clientCommand, type Session, type Shell, withClient } from './session.ts'

interface BenchOptions {
  readonly connections: number
  readonly pipeline: number
  readonly gets: number
  readonly keys: number
  readonly valueBytes: number
  readonly duration: number
  readonly requests?: number
  readonly prefix: string
  readonly keep?: true
}

const PROGRESS_MS = 200
const COLUMNS = ['calls', 'perSecond', 'meanMs', 'p50Ms', 'p90Ms', 'p99Ms', 'p999Ms', 'maxMs'] as const satisfies readonly (keyof Figures)[]
const TITLES: Readonly<Record<(typeof COLUMNS)[number], string>> = {
  calls: 'calls',
  perSecond: 'per s',
  meanMs: 'mean ms',
  p50Ms: 'p50',
  p90Ms: 'p90',
  p99Ms: 'p99',
  p999Ms: 'p99.9',
  maxMs: 'max',
}
const WIDTH = 10

export function addBenchCommand(shell: Shell): void {
  clientCommand(shell, 'bench', 'put a server under load and print calls a second and latencies')
    .option('-c, --connections <n>', 'connections', wholeNumber(1, 1024), 10)
    .option('-p, --pipeline <n>', 'calls at the same time on each connection', wholeNumber(1, 1024), 1)
    .option('--gets <share>', 'share of gets, 0 to 1; the rest are sets', readShare, 0.9)
    .option('--keys <n>', 'how many keys', wholeNumber(1, 100_000_000), 10_000)
    .option('--value-bytes <n>', 'size of each value', wholeNumber(0, 32 * 1024 * 1024), 64)
    .addOption(new Option('--duration <duration>', 'how long: 10s, 1m').argParser(readDuration).default(10_000, '10s'))
    .option('--requests <n>', 'end after so many calls, if that is sooner', wholeNumber(1, 1e12))
    .option('--prefix <text>', 'how its keys begin', 'bench:')
    .option('--keep', 'leave its keys behind')
    .action(withClient<BenchOptions>(shell, runBench, connectionsOf))
}

/** All callers may come before the first connection is there. */
function connectionsOf({ connections, pipeline }: BenchOptions): ClientOptions {
  return { poolSize: connections, maxInFlight: pipeline, maxWaiting: connections * pipeline }
}

async function runBench({ client, terminal, json, options }: Session<BenchOptions>): Promise<ExitCode> {
  const { connections, pipeline, duration, requests = Number.POSITIVE_INFINITY } = options
  const bench = new Bench(client, { ...options, callers: connections * pipeline, maxMs: duration, maxCalls: requests })
  await bench.fill()
  const byCalls = Number.isFinite(requests)
  const progress = startProgress(terminal, byCalls ? requests : duration, byCalls ? 'calls' : 'ms')
  const ticking = keepUpdating(progress, byCalls ? () => bench.begun : null)
  const report = await bench.run().finally(() => {
    clearInterval(ticking)
    progress.stop()
  })
  if (!options.keep) await bench.clean()
  if (json) await terminal.writeJson(report)
  else await terminal.write(tableOf(report))
  return bench.firstError === null ? EXIT.ok : exitCodeOf(bench.firstError)
}

/** Shows the calls made, or else the time gone by. */
function keepUpdating(progress: Progress, calls: (() => number) | null): NodeJS.Timeout {
  const began = performance.now()
  return setInterval(() => progress.update(calls?.() ?? Math.round(performance.now() - began)), PROGRESS_MS)
}

function tableOf(report: BenchReport): string {
  const head = `${' '.repeat(4)}${COLUMNS.map((column) => TITLES[column].padStart(WIDTH)).join('')}`
  const rows = (['all', 'get', 'set'] as const).map((name) => {
    return `${name.padEnd(4)}${COLUMNS.map((column) => String(report[name][column]).padStart(WIDTH)).join('')}`
  })
  const errors = Object.entries(report.errors).map(([code, count]) => `${count} failed: ${code}`)
  return `${[head, ...rows, ...errors].join('\n')}\n`
}
