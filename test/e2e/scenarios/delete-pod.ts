/**
 * A pod is deleted in order, as a drain of its node would: it hands over, leaves and comes back.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { whileChecking } from '../checking-client.ts'
import { requireKeys } from '../key-set.ts'
import type { Scenario } from '../scenario.ts'

export const podDeleted: Scenario = {
  name: 'deleting a pod fails no request and loses no key',
  timeoutMs: 180_000,
  async run({ kube, client, settings, note }) {
    const checked = await whileChecking(settings.ingressUrl, { maxKeys: 2_000, listed: null }, async () => {
      const uid = await kube.uid('jackdaw-1')
      await kube.kubectl(['delete', 'pod', 'jackdaw-1', '--wait', '--timeout=60s'], { timeoutMs: 65_000 })
      await kube.settled(60)
      if ((await kube.uid('jackdaw-1')) === uid) throw new Error('the pod was not replaced')
      await sleep(2_000)
    })
    note('checked beside the deleted pod', `${checked.writes} writes and ${checked.reads} reads`)
    note('keys checked after deleting a pod', await requireKeys(client, 'after deleting a pod'))
  },
}
