/**
 * A worker is cut off the network and joined again. Its pod lives on alone and takes writes from a program in the pod itself, while the others take
 * writes through the ingress; some keys are written on both sides.
 *
 * Afterwards the sides have to become one: each key has one answer, whichever pod is asked, as soon as all members see each other; nothing that
 * either side alone acknowledged is missing; and all copies are complete within a minute.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { converged, total, viewsAgree } from '../convergence.ts'
import { IngressClient } from '../ingress-client.ts'
import { requireKeys } from '../key-set.ts'
import type { Context, Scenario } from '../scenario.ts'
import { nodeCommand, spread, withoutNode } from './nodes.ts'

const VICTIM = 'jackdaw-1'
/** Longer than it takes to be dead to the others and to lose the seat in the ring. */
const CUT_MS = 45_000
const CONVERGED_WITHIN_MS = 60_000
const PAUSE_MS = 20
/** On the side of the many: the ingress still sends one in three to the pod that is cut off. */
const WRITERS = 8
const CONTESTED = 200
/** An attempt that takes longer has failed, and the next one may reach another pod. */
const ATTEMPT_MS = 1_000
const SHOWN = 5
/** How often all pods are asked for every contested key once they see each other. */
const ROUNDS = 5
const SIDE_FILE = '/tmp/written-alone.json'

export const nodeCut: Scenario = {
  name: 'a worker that is cut off and joined again brings its writes, and no key has two answers',
  timeoutMs: 400_000,
  long: true,
  leftOut: withoutNode,
  async run(context) {
    const { kube, settings, client, note } = context
    await spread(context)
    const conflictsBefore = await total(kube, 'jackdaw_conflicts_total')
    const http = new IngressClient(settings.ingressUrl, WRITERS, ATTEMPT_MS)
    const node = await kube.nodeOf(VICTIM)
    await kube.evaluate(VICTIM, detached(writeAlone))
    const stop = new AbortController()
    const majority = Promise.all(Array.from({ length: WRITERS }, (_, i) => write(http, i, stop.signal)))
    await nodeCommand(context, node, 'cut')
    try {
      await sleep(CUT_MS)
    } finally {
      stop.abort()
      await nodeCommand(context, node, 'join')
    }
    const joinedAt = performance.now()
    const byMany = (await majority).flat()
    http.close()
    note('milliseconds from the joined network to views that agree', Math.round(await viewsAgree(kube, 3, CONVERGED_WITHIN_MS)))
    const split: string[] = []
    for (let round = 0; round < ROUNDS; round++) split.push(...(await splitAnswers(context)))
    note('keys with two answers after the views agreed', `${split.length} of ${CONTESTED * ROUNDS} asked of all pods`)
    await converged(kube, 3, CONVERGED_WITHIN_MS - (performance.now() - joinedAt))
    note('milliseconds from the joined network to complete copies', Math.round(performance.now() - joinedAt))
    const byOne = JSON.parse(await kube.kubectl(['exec', VICTIM, '--', 'cat', SIDE_FILE])) as readonly string[]
    note('writes acknowledged by the two sides while apart', `${byMany.length} by two pods, ${byOne.length} by the one cut off`)
    note('entries that lost to newer ones when the sides met', (await total(kube, 'jackdaw_conflicts_total')) - conflictsBefore)
    if (byOne.length === 0) throw new Error('the pod that was cut off took no write')
    await requireWritten(client, byMany)
    await requireWritten(client, byOne)
    if (split.length > 0) throw new Error(`${split.length} keys have two answers:\n${split.slice(0, SHOWN).join('\n')}`)
    note('keys checked after the cut', await requireKeys(client, 'after a worker was cut off and joined again'))
  },
}

/** Writes a key of its own and a contested one in turn until told to stop; resolves with the own keys that were acknowledged. */
async function write(http: IngressClient, writer: number, signal: AbortSignal): Promise<readonly string[]> {
  const acknowledged: string[] = []
  for (let i = writer; !signal.aborted; i += WRITERS) {
    const key = `many-${i}`
    if ((await http.set({ [key]: key })).status === 200) acknowledged.push(key)
    await http.set({ [`contested-${i % CONTESTED}`]: key })
    await sleep(PAUSE_MS)
  }
  return acknowledged
}

/** The same, as a program for the pod that is cut off; it ends before the network is back, and leaves the keys in a file. */
const writeAlone = `
  const set = (pairs) => fetch('http://127.0.0.1:8080/set', { method: 'POST', body: JSON.stringify(pairs), signal: AbortSignal.timeout(6000) }).then(({ ok }) => ok, () => false)
  const main = async () => {
    const acknowledged = []
    const endAt = performance.now() + ${CUT_MS - 5_000}
    for (let i = 0; performance.now() < endAt; i++) {
      const key = 'one-' + i
      if (await set({ [key]: key })) acknowledged.push(key)
      await set({ ['contested-' + (i % ${CONTESTED})]: key })
      await new Promise((resolve) => setTimeout(resolve, ${PAUSE_MS}))
    }
    require('node:fs').writeFileSync('${SIDE_FILE}', JSON.stringify(acknowledged))
  }
  main()`

/** A program that starts another one and leaves it to itself: what \`kubectl exec\` runs may end with its connection. */
function detached(script: string): string {
  const options = `{ detached: true, stdio: 'ignore' }`
  return `require('node:child_process').spawn(process.execPath, ['--eval', ${JSON.stringify(script)}], ${options}).unref()`
}

/** Keys for which pods give different answers, each with them. */
async function splitAnswers({ kube }: Context): Promise<readonly string[]> {
  const keys = Array.from({ length: CONTESTED }, (_, i) => `contested-${i}`)
  const answers = await kube.answers(keys)
  return keys.map((key, i) => `${key}: ${answers[i]?.join(', ')}`).filter((_, i) => new Set(answers[i]).size > 1)
}

async function requireWritten(client: IngressClient, keys: readonly string[]): Promise<void> {
  const wrong: string[] = []
  for (const key of keys) {
    const { status, body } = await client.getKey(key)
    if (status !== 200 || body !== JSON.stringify(key)) wrong.push(`${key}: ${status} ${body.slice(0, 60)}`)
  }
  if (wrong.length > 0)
    throw new Error(`${wrong.length} of ${keys.length} acknowledged writes are missing: ${wrong.slice(0, SHOWN).join('; ')}`)
}
