/**
 * A pod is gone at once, its process killed or the pod deleted without any grace: nobody hands over, and the successor is empty.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { whileChecking } from '../checking-client.ts'
import { runWords } from '../command.ts'
import { keyAt, requireBulk, requireKeys, writeBulk } from '../key-set.ts'
import type { Kube } from '../kube.ts'
import type { Context, Scenario } from '../scenario.ts'
import { sideReads } from '../targets.ts'
import { underLoad } from '../under-load.ts'
import { whileHammering } from './failure.ts'

/** Of 64 KiB: a pod of three fetches some 170 MB, which takes seconds. */
const BULK_KEYS = 4_000
const POLL_MS = 100
const STARTED_WITHIN_MS = 60_000
/** Keys that have to be answered, one after the other, before all slots are taken to be served again. */
const SERVED = 60

export const podKilled: Scenario = {
  name: 'a pod whose process is killed costs seconds of writes on its slots and none of the keys at rest',
  timeoutMs: 180_000,
  async run(context) {
    const { kube } = context
    const victim = 'jackdaw-1'
    await whileHammering(context, {
      name: 'the kill of a process',
      victim,
      fail: () => kill(context, victim),
      mend: () => kube.settled(90),
    })
  },
}

export const podDeletedByForce: Scenario = {
  name: 'a pod deleted by force, without grace, costs seconds of writes on its slots and none of the keys at rest',
  timeoutMs: 180_000,
  async run(context) {
    const { kube } = context
    const victim = 'jackdaw-0'
    const uid = await kube.uid(victim)
    const others = await Promise.all(['jackdaw-1', 'jackdaw-2'].map((pod) => kube.uid(pod)))
    await whileHammering(context, {
      name: 'a deletion by force',
      victim,
      fail: () => deleteByForce(kube, victim),
      mend: () => kube.settled(90),
    })
    const after = await kube.uids()
    if (after.includes(uid)) throw new Error(`${victim} was not replaced`)
    if (!others.every((other) => after.includes(other))) throw new Error('another pod was replaced too')
  },
}

export const rolledAfterKill: Scenario = {
  name: 'a roll that begins while a killed pod fills again waits for it, fails no request and loses no key',
  timeoutMs: 400_000,
  long: true,
  async run(context) {
    const { kube, client, note, settings } = context
    await writeBulk(client, BULK_KEYS)
    const before = await kube.uids()
    await kill(context, 'jackdaw-0')
    await filling(kube, 'jackdaw-0')
    await kube.kubectl(['rollout', 'restart', `statefulset/${kube.name}`])
    const startedAt = performance.now()
    const { body } = await kube.readiness('jackdaw-0')
    note('what pod 0 said when the roll had begun', body.trim())
    if (!body.includes('filling')) throw new Error(`pod 0 was full before the roll began: ${body}`)
    // What the kill itself cost is another scenario's matter.
    await served(context)
    const checked = await whileChecking(settings.ingressUrl, { maxKeys: 2_000, listed: null }, () =>
      underLoad(context, sideReads('GET, roll after a kill'), () => kube.settled(200)),
    )
    note('seconds of the roll that began while pod 0 was filling', ((performance.now() - startedAt) / 1000).toFixed(1))
    note('checked beside it', `${checked.writes} writes and ${checked.reads} reads`)
    const stayed = (await kube.uids()).filter((uid) => before.includes(uid))
    if (stayed.length > 0) throw new Error(`${stayed.length} pods were not replaced`)
    note('large keys checked after it', await requireBulk(client, BULK_KEYS, 'after a roll that followed a kill'))
    note('keys checked after it', await requireKeys(client, 'after a roll that followed a kill'))
  },
}

async function kill({ settings, kube }: Context, pod: string): Promise<void> {
  if (settings.kill !== null) {
    await runWords(settings.kill, [pod])
    return
  }
  console.log('      E2E_KILL is not set: the pod is deleted by force, which is gentler than a kill')
  await deleteByForce(kube, pod)
}

async function deleteByForce(kube: Kube, pod: string): Promise<void> {
  await kube.kubectl(['delete', 'pod', pod, '--grace-period=0', '--force'])
}

/** Resolves once the pod's new process says that it is filling; throws when it is ready before it could be asked. */
async function filling(kube: Kube, pod: string): Promise<void> {
  const giveUpAt = performance.now() + STARTED_WITHIN_MS
  for (;;) {
    const { status, body } = await kube.readiness(pod).catch((error: unknown) => ({ status: 0, body: String(error) }))
    if (body.includes('filling')) return
    if (status === 200) throw new Error(`${pod} was full before the roll could begin`)
    if (performance.now() > giveUpAt) throw new Error(`${pod} does not fill: ${status} ${body.slice(-500)}`)
    await sleep(POLL_MS)
  }
}

/** Resolves once keys of many slots are answered one after the other. */
async function served({ client }: Context): Promise<void> {
  const giveUpAt = performance.now() + STARTED_WITHIN_MS
  for (let answered = 0, i = 0; answered < SERVED; i++) {
    const { status, body } = await client.getKey(keyAt(i))
    answered = status === 200 ? answered + 1 : 0
    if (performance.now() > giveUpAt) throw new Error(`not all slots are served: ${status} ${body.slice(0, 120)}`)
  }
}
