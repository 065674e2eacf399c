/**
 * A pod's process dies at once, and the kubelet starts it again: the successor is empty.
 */
import { runWords } from '../command.ts'
import { requireBulk, requireKeys, writeBulk } from '../key-set.ts'
import type { Context, Scenario } from '../scenario.ts'
import { whileHammering } from './failure.ts'

const BULK_KEYS = 2_400

export const podKilled: Scenario = {
  name: 'a pod whose process is killed costs seconds of writes on its slots and none of the keys at rest',
  timeoutMs: 180_000,
  async run(context) {
    await whileHammering(
      context,
      'the kill of a process',
      () => kill(context, 'jackdaw-1'),
      () => context.kube.settled(90),
    )
  },
}

export const rolledAfterKill: Scenario = {
  name: 'a roll that begins while a killed pod fills again waits for it and loses no key',
  timeoutMs: 300_000,
  long: true,
  async run(context) {
    const { kube, client, note } = context
    await writeBulk(client, BULK_KEYS)
    const before = await kube.uids()
    await kill(context, 'jackdaw-0')
    await kube.kubectl(['rollout', 'restart', `statefulset/${kube.name}`])
    const startedAt = performance.now()
    await kube.settled(200)
    note('seconds of the roll that began while pod 0 was filling', ((performance.now() - startedAt) / 1000).toFixed(1))
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
  console.log('      E2E_KILL is not set: the pod is deleted with force, which is gentler than a kill')
  await kube.kubectl(['delete', 'pod', pod, '--grace-period=0', '--force'])
}
