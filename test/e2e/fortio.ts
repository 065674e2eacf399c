/**
 * fortio, the judge: 50 connections, 500 calls a second. Its exit status says nothing about failed calls, so its JSON is read.
 *
 * One fortio loads one URL, so a target of several parts (keys, bodies) takes as many of them, each with its share of connections and calls; what they
 * counted is put together bucket by bucket, and percentiles are read off the sum as fortio reads its own.
 */
import { runWords } from './command.ts'
import type { Settings } from './settings.ts'

/** Of a roll. */
const CONNECTIONS = 50
const CALLS_PER_SECOND = 500
/** Beside an event of unknown length fortio runs for so long again and again. */
const ROUND_SECONDS = 15
/**
 * Fewer calls than this share of what was asked for means that answers stalled. Each connection calls every 100 ms, and what a slow answer keeps it from calling
 * falls out (`-nocatchup`): where pods, control plane, ingress and load share two cores, the starts of processes alone cost up to 3 %.
 */
const LEAST_SHARE = 0.9

export interface LoadResult {
  readonly name: string
  readonly seconds: number
  /** Calls that were asked for. */
  readonly wanted: number
  readonly calls: number
  readonly failures: number
  readonly codes: Readonly<Record<string, number>>
  readonly avgMs: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
}

interface Bucket {
  readonly Start: number
  readonly End: number
  readonly Count: number
}

interface FortioReport {
  readonly DurationHistogram: {
    readonly Count: number
    readonly Sum: number
    readonly Max: number
    readonly Data: readonly Bucket[] | null
  }
  readonly ErrorsDurationHistogram: { readonly Count: number }
  readonly RetCodes: Readonly<Record<string, number>>
}

interface Part {
  readonly path: string
  /** Posted as JSON; without it, the path is read. */
  readonly body?: string
}

export interface Target {
  /** In the report. */
  readonly name: string
  readonly parts: readonly Part[]
  /** The name that the ingress is asked for; that of the URL without it. */
  readonly host?: string
  /** In all; those of a roll by default. */
  readonly callsPerSecond?: number
}

/** Loads the target for `seconds`. Rejects only if fortio itself could not run. */
export async function load(settings: Settings, target: Target, seconds: number, signal: AbortSignal): Promise<LoadResult> {
  return summed(target, seconds, await loadParts(settings, target, seconds, signal))
}

/** Loads it in rounds until `over` says so, which it is asked between two of them. */
export async function loadUntil(settings: Settings, target: Target, over: () => boolean, signal: AbortSignal): Promise<LoadResult> {
  const reports: FortioReport[] = []
  let seconds = 0
  do {
    reports.push(...(await loadParts(settings, target, ROUND_SECONDS, signal)))
    seconds += ROUND_SECONDS
  } while (!over() && !signal.aborted)
  return summed(target, seconds, reports)
}

/** Throws unless every answer was 200, and there were as many as asked for. */
export function requirePerfect(result: LoadResult): void {
  const { name, seconds, wanted, calls, failures, codes } = result
  const least = wanted * LEAST_SHARE
  if (failures > 0 || Object.keys(codes).join() !== '200') {
    throw new Error(`${failures} of ${calls} calls of ${name} failed: ${JSON.stringify(codes)}`)
  }
  if (calls < least) throw new Error(`${calls} calls of ${name} in ${seconds} s, but at least ${least} were to be made`)
}

function loadParts(settings: Settings, target: Target, seconds: number, signal: AbortSignal): Promise<readonly FortioReport[]> {
  const { name, parts, host, callsPerSecond = CALLS_PER_SECOND } = target
  const share = (whole: number) => `${whole / parts.length}`
  return Promise.all(
    parts.map(async ({ path, body }) => {
      const args = [
        'load',
        '-quiet',
        '-c',
        share(CONNECTIONS),
        '-qps',
        share(callsPerSecond),
        '-t',
        `${seconds}s`,
        '-nocatchup',
        '-uniform',
      ]
      args.push('-timeout', '3s', '-labels', name, '-json', '-')
      if (host !== undefined) args.push('-H', `Host: ${host}`)
      if (body !== undefined) args.push('-content-type', 'application/json', '-payload', body)
      args.push(new URL(path, settings.loadUrl).href)
      return JSON.parse(await runWords(`${settings.loadPrefix} fortio`, args, { timeoutMs: (seconds + 30) * 1000, signal })) as FortioReport
    }),
  )
}

function summed({ name, callsPerSecond = CALLS_PER_SECOND }: Target, seconds: number, reports: readonly FortioReport[]): LoadResult {
  const sum = (of: (report: FortioReport) => number) => reports.reduce((total, report) => total + of(report), 0)
  const codes: Record<string, number> = {}
  for (const { RetCodes } of reports) for (const [code, count] of Object.entries(RetCodes)) codes[code] = (codes[code] ?? 0) + count
  const buckets = reports.flatMap(({ DurationHistogram: { Data } }) => Data ?? [])
  const calls = sum(({ DurationHistogram: { Count } }) => Count)
  return {
    name,
    seconds,
    wanted: callsPerSecond * seconds,
    calls,
    failures: Math.max(
      sum(({ ErrorsDurationHistogram: { Count } }) => Count),
      calls - (codes['200'] ?? 0),
    ),
    codes,
    avgMs: milliseconds(sum(({ DurationHistogram: { Sum } }) => Sum) / calls),
    p50Ms: milliseconds(percentile(buckets, calls * 0.5)),
    p90Ms: milliseconds(percentile(buckets, calls * 0.9)),
    p99Ms: milliseconds(percentile(buckets, calls * 0.99)),
    p999Ms: milliseconds(percentile(buckets, calls * 0.999)),
    maxMs: milliseconds(Math.max(...reports.map(({ DurationHistogram: { Max } }) => Max))),
  }
}

/** How long the call of this rank took: within a bucket the calls are taken to be spread evenly. */
function percentile(buckets: readonly Bucket[], rank: number): number {
  let before = 0
  for (const { Start, End, Count } of buckets.toSorted((a, b) => a.End - b.End)) {
    if (before + Count >= rank) return Start + ((rank - before) / Count) * (End - Start)
    before += Count
  }
  return Number.NaN
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 10_000) / 10
}
