/**
 * From three pods to five and back under load: keys move twice, and all of them arrive.
 */
import { whileChecking } from '../checking-client.ts'
import { requireKeys } from '../key-set.ts'
import type { Kube } from '../kube.ts'
import type { Scenario } from '../scenario.ts'
import { sideReads } from '../targets.ts'
import { underLoad } from '../under-load.ts'

export const scaled: Scenario = {
  name: 'scaling from three pods to five and back fails no request and loses no key',
  timeoutMs: 300_000,
  async run(context) {
    const { kube, client, settings, note } = context
    const checked = await whileChecking(settings.ingressUrl, { maxKeys: 2_000, listed: null }, () =>
      underLoad(context, sideReads('GET, 3-5-3 pods'), async () => {
        await scaleTo(kube, 5)
        note('keys checked at five pods', await requireKeys(client, 'at five pods'))
        await scaleTo(kube, 3)
        note('keys checked back at three pods', await requireKeys(client, 'back at three pods'))
      }),
    )
    note('checked beside the scaling', `${checked.writes} writes and ${checked.reads} reads`)
  },
}

export async function scaleTo(kube: Kube, replicas: number): Promise<void> {
  const before = await kube.pods()
  await kube.kubectl(['scale', `statefulset/${kube.name}`, `--replicas=${replicas}`])
  await kube.settled(90)
  const surplus = before.filter((pod) => Number(pod.slice(pod.lastIndexOf('-') + 1)) >= replicas)
  for (const pod of surplus) await kube.kubectl(['wait', '--for=delete', `pod/${pod}`, '--timeout=60s'], { timeoutMs: 65_000 })
  const after = await kube.pods()
  if (after.length !== replicas) throw new Error(`there are ${after.length} pods: ${after.join(', ')}`)
}
