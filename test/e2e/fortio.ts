/**
 * fortio, the judge: 50 connections, 500 calls a second. Its exit status says nothing about failed calls, so its JSON is read.
 */
import { runWords } from './command.ts'
import type { Settings } from './settings.ts'

const CONNECTIONS = 50
const CALLS_PER_SECOND = 500
/**
 * Fewer calls than this share of what was asked for means that answers stalled. Each connection calls every 100 ms, and what a slow answer keeps it from calling
 * falls out (`-nocatchup`): where pods, control plane, ingress and load share two cores, the starts of processes alone cost up to 3 %.
 */
const LEAST_SHARE = 0.9

export interface LoadResult {
  readonly name: string
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

interface FortioReport {
  readonly DurationHistogram: {
    readonly Count: number
    readonly Avg: number
    readonly Max: number
    readonly Percentiles: readonly { readonly Percentile: number; readonly Value: number }[]
  }
  readonly ErrorsDurationHistogram: { readonly Count: number }
  readonly RetCodes: Readonly<Record<string, number>>
}

export interface Target {
  /** In the report. */
  readonly name: string
  readonly path: string
  /** Posted as JSON; without it, the path is read. */
  readonly body?: string
}

/** Loads the target for `seconds`. Rejects only if fortio itself could not run. */
export async function load(settings: Settings, target: Target, seconds: number, signal: AbortSignal): Promise<LoadResult> {
  const { name, path, body } = target
  const args = ['load', '-quiet', '-c', `${CONNECTIONS}`, '-qps', `${CALLS_PER_SECOND}`, '-t', `${seconds}s`, '-nocatchup', '-uniform']
  args.push('-timeout', '3s', '-p', '50,90,99,99.9', '-labels', name, '-json', '-')
  if (body !== undefined) args.push('-content-type', 'application/json', '-payload', body)
  args.push(new URL(path, settings.loadUrl).href)
  const output = await runWords(`${settings.loadPrefix} fortio`, args, { timeoutMs: (seconds + 30) * 1000, signal })
  const { DurationHistogram: durations, ErrorsDurationHistogram: errors, RetCodes: codes } = JSON.parse(output) as FortioReport
  const percentile = (p: number) => milliseconds(durations.Percentiles.find((one) => one.Percentile === p)?.Value ?? Number.NaN)
  const succeeded = codes['200'] ?? 0
  return {
    name,
    calls: durations.Count,
    failures: Math.max(errors.Count, durations.Count - succeeded),
    codes,
    avgMs: milliseconds(durations.Avg),
    p50Ms: percentile(50),
    p90Ms: percentile(90),
    p99Ms: percentile(99),
    p999Ms: percentile(99.9),
    maxMs: milliseconds(durations.Max),
  }
}

/** Throws unless every answer was 200, and there were as many as asked for. */
export function requirePerfect(result: LoadResult, seconds: number): void {
  const { calls, failures, codes } = result
  const wanted = CALLS_PER_SECOND * seconds * LEAST_SHARE
  if (failures > 0 || Object.keys(codes).join() !== '200') throw new Error(`${failures} of ${calls} calls failed: ${JSON.stringify(codes)}`)
  if (calls < wanted) throw new Error(`${calls} calls in ${seconds} s, but at least ${wanted} were to be made`)
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 10_000) / 10
}
