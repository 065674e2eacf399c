/**
 * A scenario: a sentence that is true if its function returns, and what the function may use.
 */
import type { LoadResult } from './fortio.ts'
import type { IngressClient } from './ingress-client.ts'
import type { Kube } from './kube.ts'
import type { Settings } from './settings.ts'

export interface Context {
  readonly settings: Settings
  readonly kube: Kube
  /** For reading and writing many keys; answers may take longer than a checking client allows. */
  readonly client: IngressClient
  /** Aborted when the scenario is out of time. */
  readonly signal: AbortSignal
  /** For the report: a figure and what it is. */
  note(what: string, value: number | string): void
  /** For the end of the report: a part of the scenario that could not run here. */
  leftOut(what: string, reason: string): void
  /** For the table of load runs. */
  loaded(result: LoadResult): void
}

export interface Scenario {
  readonly name: string
  readonly timeoutMs: number
  /** Others stand on it: it runs whatever `E2E_ONLY` says. */
  readonly foundation?: boolean
  /** Too long for every run: `npm run test:e2e:full` has it. */
  readonly long?: boolean
  /** Why it cannot run here; `null` if it can. */
  leftOut?(settings: Settings): string | null
  run(context: Context): Promise<void>
}
