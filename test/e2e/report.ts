/**
 * What a run of the Kubernetes test found: a table for people, JSON for machines.
 */
import { writeFileSync } from 'node:fs'
import type { LoadResult } from './fortio.ts'

export class Report {
  readonly #loads: LoadResult[] = []
  readonly #notes: { readonly what: string; readonly value: number | string }[] = []
  readonly #leftOut: { readonly name: string; readonly reason: string }[] = []
  readonly #scenarios: { readonly name: string; readonly seconds: number; readonly error: string | null }[] = []

  note(what: string, value: number | string): void {
    this.#notes.push({ what, value })
    console.log(`      ${what}: ${value}`)
  }

  loaded(result: LoadResult): void {
    this.#loads.push(result)
  }

  scenario(name: string, seconds: number, error: string | null): void {
    this.#scenarios.push({ name, seconds, error })
  }

  /** A scenario that did not run, or a part of one: what it is about is not known. */
  leftOut(name: string, reason: string): void {
    this.#leftOut.push({ name, reason })
    console.log(`LEFT OUT  ${name}\n      ${reason}`)
  }

  print(): void {
    this.#printFigures()
    if (this.#leftOut.length === 0) return
    console.log(`\nNOT EVERYTHING RAN. ${this.#leftOut.length} left out, and nothing is known of:`)
    for (const { name, reason } of this.#leftOut) console.log(`LEFT OUT  ${name}\n          ${reason}`)
  }

  #printFigures(): void {
    for (const { what, value } of this.#notes) console.log(`${what}: ${value}`)
    if (this.#loads.length === 0) return
    console.log(row(['run', 'calls', 'failures', 'avg ms', 'p50 ms', 'p90 ms', 'p99 ms', 'p99.9 ms', 'max ms']))
    for (const { name, calls, failures, avgMs, p50Ms, p90Ms, p99Ms, p999Ms, maxMs } of this.#loads) {
      console.log(row([name, calls, failures, avgMs, p50Ms, p90Ms, p99Ms, p999Ms, maxMs]))
    }
  }

  write(path: string): void {
    writeFileSync(
      path,
      `${JSON.stringify({ loads: this.#loads, notes: this.#notes, scenarios: this.#scenarios, leftOut: this.#leftOut }, null, 2)}\n`,
    )
  }
}

function row(cells: readonly (string | number)[]): string {
  return cells.map((cell, i) => (i === 0 ? String(cell).padEnd(24) : String(cell).padStart(10))).join('')
}
