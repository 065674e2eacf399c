/**
 * The cluster in figures: real members in network namespaces on this machine, what is done to them, and how long it shows. Each figure has its goal beside it.
 */
import type { Section } from '../report.ts'
import { measureFailover } from './failover.ts'
import type { Figure } from './figure.ts'
import { measurePlannedStop } from './planned-stop.ts'
import { measureReplicationLag } from './replication-lag.ts'
import { measureScaling } from './scaling.ts'
import { measureThrottled } from './throttled.ts'
import { measureForwarding, measureReplicationCost } from './throughput.ts'

type Measure = (quick: boolean) => Promise<Figure[]>

const CLUSTER: Readonly<Record<string, Measure>> = {
  'a member gone without a word': measureFailover,
  'a planned stop': measurePlannedStop,
  'three, five, three': measureScaling,
  forwarding: measureForwarding,
  'replication lag': measureReplicationLag,
  'the cost of replication': measureReplicationCost,
}

/** Some eleven minutes; two if quick. */
export function measureCluster(quick: boolean): Promise<Section> {
  return section('The cluster', CLUSTER, quick)
}

/** Some eleven minutes for the one figure; two if quick. */
export function measurePatience(quick: boolean): Promise<Section> {
  return section('Slow is not dead', { 'a throttled member': measureThrottled }, quick)
}

async function section(title: string, measures: Readonly<Record<string, Measure>>, quick: boolean): Promise<Section> {
  const figures: Figure[] = []
  const notes: string[] = []
  for (const [name, measure] of Object.entries(measures)) {
    console.error(`cluster: ${name}`)
    const startedMs = performance.now()
    try {
      figures.push(...(await measure(quick)))
    } catch (error) {
      // One that breaks down must not cost the figures of the others; it is no figure that meets its goal either.
      process.exitCode = 1
      notes.push(`Not measured: ${name}. ${(error as Error).message.split('\n')[0]}`)
      console.error((error as Error).message)
    }
    console.error(`cluster: ${name} took ${((performance.now() - startedMs) / 1_000).toFixed(0)} s`)
  }
  return {
    title,
    text: 'Real processes, each in a network namespace of its own, default options, one replica, all on the cores of this machine, which they share with the load.',
    head: ['', 'measured', 'goal', 'met'],
    rows: figures.map(({ what, measured, goal, met }) => [what, measured, goal, met === null ? '' : met ? 'yes' : '**no**']),
    notes,
  }
}
