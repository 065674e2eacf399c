/**
 * Rounds: every subject is measured once in each, one right after the other, in an order that turns around from round to round. A machine that is
 * slow for a while is then slow for all of them, so that a ratio taken within a round says more than one of figures taken far apart. What is
 * reported are medians over the rounds.
 */
import type { ServerProcess, Subject } from './server-process.ts'

/** How thorough a run is. */
export interface Plan {
  readonly rounds: number
  /** A second each and few entries: shows that everything works, and no more. */
  readonly quick: boolean
}

export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b)
  const upper = sorted[sorted.length >> 1] as number
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[(sorted.length >> 1) - 1] as number)) / 2
}

/** A figure of several rounds. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

export function spreadOf(figures: readonly number[]): Spread {
  return { median: median(figures), least: Math.min(...figures), most: Math.max(...figures) }
}

/** What was measured: by what was done, then by subject, a sample for each round. */
export class Samples<T> {
  readonly #samples = new Map<string, T[]>()

  add(what: string, subject: string, sample: T): void {
    const key = JSON.stringify([what, subject])
    const known = this.#samples.get(key)
    if (known === undefined) this.#samples.set(key, [sample])
    else known.push(sample)
  }

  /** In the order of the rounds; empty if the subject was not asked. */
  of(what: string, subject: string): readonly T[] {
    return this.#samples.get(JSON.stringify([what, subject])) ?? []
  }

  /** `null` if the subject was not asked. */
  median(what: string, subject: string, figureOf: (sample: T) => number): number | null {
    const samples = this.of(what, subject)
    return samples.length === 0 ? null : median(samples.map(figureOf))
  }

  /** Of one subject's figure to another's, each round for itself; `null` if one of the two was not asked. */
  ratio(what: string, subject: string, other: string, figureOf: (sample: T) => number): Spread | null {
    const others = this.of(what, other)
    const ratios = this.of(what, subject).flatMap((sample, round) => {
      const rival = others[round]
      return rival === undefined ? [] : [figureOf(sample) / figureOf(rival)]
    })
    return ratios.length === 0 ? null : spreadOf(ratios)
  }
}

/** Calls `measure` for each subject in each round, with its server alone: even an idle one would take some of the core. */
export async function measureInTurn<S extends Subject>(
  title: string,
  plan: Plan,
  subjects: readonly S[],
  measure: (server: ServerProcess, subject: S) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < plan.rounds; round++) {
    console.error(`${title}: round ${round + 1} of ${plan.rounds}`)
    for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
      const server = await subject.start()
      try {
        await measure(server, subject)
      } finally {
        await server.end()
      }
    }
  }
}
