/**
 * Machines: each is drained in turn, one loses its power, one is cut off. Every worker has one pod when a scenario begins.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { whileChecking } from '../checking-client.ts'
import { run, runWords } from '../command.ts'
import { converged } from '../convergence.ts'
import { requireKeys, writeKeys } from '../key-set.ts'
import type { Kube } from '../kube.ts'
import type { Context, Scenario } from '../scenario.ts'
import type { Settings } from '../settings.ts'
import { sideReads } from '../targets.ts'
import { underLoad } from '../under-load.ts'
import { whileHammering } from './failure.ts'
import { install } from './install.ts'

const VICTIM = 'jackdaw-1'
const BACK_WITHIN_SECONDS = 120

export const drained: Scenario = {
  name: 'draining each worker in turn fails no request and loses no key',
  timeoutMs: 600_000,
  async run(context) {
    const { client, settings, note } = context
    const checked = await whileChecking(settings.ingressUrl, { maxKeys: 2_000, listed: null }, () =>
      underLoad(context, sideReads('GET, drains'), async () => {
        for (const node of await schedulableNodes()) await drain(context, node)
      }),
    )
    note('checked beside the drains', `${checked.writes} writes and ${checked.reads} reads`)
    note('keys checked after the drains', await requireKeys(client, 'after every worker was drained'))
  },
}

/** A worker without a pod of ours would prove nothing: each drain sends the pods to the others, so the next one has some. */
async function drain({ kube, note }: Context, node: string): Promise<void> {
  const pods = (await podNodes(kube)).filter((one) => one === node).length
  if (pods === 0) throw new Error(`there is no pod on ${node} that could be drained`)
  const startedAt = performance.now()
  try {
    // Only our pods: in a small cluster the ingress itself may live on the node.
    const what = ['--pod-selector', kube.selector, '--ignore-daemonsets', '--delete-emptydir-data']
    await run('kubectl', ['drain', node, ...what, '--timeout=150s'], { timeoutMs: 160_000 })
    await kube.settled(90)
  } finally {
    await run('kubectl', ['uncordon', node])
  }
  if ((await podNodes(kube)).includes(node)) throw new Error(`there is a pod on ${node} after its drain`)
  note(`seconds to drain ${pods} pods off ${node}, until all were ready elsewhere`, ((performance.now() - startedAt) / 1000).toFixed(1))
}

export const nodeCrashed: Scenario = {
  name: 'a worker that loses its power costs seconds of writes on its slots and none of the keys at rest',
  timeoutMs: 400_000,
  long: true,
  leftOut: withoutNode,
  async run(context) {
    const { kube } = context
    await spread(context)
    const node = await kube.nodeOf(VICTIM)
    await whileHammering(context, {
      name: 'the crash of a worker',
      victim: VICTIM,
      fail: () => nodeCommand(context, node, 'crash'),
      mend: async () => {
        await nodeCommand(context, node, 'start')
        await kube.settled(BACK_WITHIN_SECONDS)
        context.note('milliseconds from ready pods to agreement after the crash', Math.round(await converged(kube, 3, 60_000)))
        await sleep(1_000)
      },
    })
  },
}

export function withoutNode({ node }: Settings): string | null {
  return node === null ? 'E2E_NODE is not set: nobody here can crash or cut a worker' : null
}

export async function nodeCommand({ settings }: Context, node: string, what: 'crash' | 'start' | 'cut' | 'join'): Promise<void> {
  if (settings.node !== null) await runWords(settings.node, [node, what], { timeoutMs: 90_000 })
}

/** A fresh installation with a pod on each of three workers, and the keys in it. */
export async function spread(context: Context): Promise<void> {
  const { kube, client } = context
  const nodes = await schedulableNodes()
  if (nodes.length < 3) throw new Error(`three workers are needed, and there are ${nodes.join(', ')}`)
  await kube.remove()
  await install(context)
  const taken = new Set(await podNodes(kube))
  if (taken.size !== 3) throw new Error(`three pods are on ${[...taken].join(', ')}`)
  await writeKeys(client)
  await requireKeys(client, 'after they were written')
}

async function podNodes(kube: Kube): Promise<readonly string[]> {
  return Promise.all((await kube.pods()).map((pod) => kube.nodeOf(pod)))
}

async function schedulableNodes(): Promise<readonly string[]> {
  const { items } = JSON.parse(await run('kubectl', ['get', 'nodes', '--output', 'json'])) as { readonly items: readonly Node[] }
  const free = items.filter(({ spec }) => spec.unschedulable !== true && !spec.taints?.some(({ effect }) => effect === 'NoSchedule'))
  return free.map(({ metadata }) => metadata.name)
}

interface Node {
  readonly metadata: { readonly name: string }
  readonly spec: { readonly unschedulable?: boolean; readonly taints?: readonly { readonly effect: string }[] }
}
