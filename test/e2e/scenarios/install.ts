/**
 * From nothing to three pods that answer, by the manifest and by the chart.
 */

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../command.ts'
import { inNamespace, Release } from '../helm.ts'
import { ingressRivals } from '../ingress-rivals.ts'
import { NAMESPACE } from '../kube.ts'
import type { Context, Scenario } from '../scenario.ts'
import { putKeys, requireSigned } from './gossip-keys.ts'

/** From the apply to ready pods and an answer of the ingress. */
const SERVING_WITHIN_MS = 30_000
/** How long the ingress is asked, so that a late one tells by how much, and a scenario that measures something else goes on. */
const INGRESS_WITHIN_MS = 90_000
const HELM_NAMESPACE = 'jackdaw-e2e-helm'

export interface Installed {
  /** Milliseconds from the apply until all pods were ready. */
  readonly readyMs: number
  /** Until the ingress answered, too. */
  readonly servingMs: number
}

/** Applies deploy.yaml. The ingress answers when it returns. */
export async function install({ kube, client }: Context): Promise<Installed> {
  const startedAt = performance.now()
  await kube.apply()
  await kube.settled(90)
  const readyMs = performance.now() - startedAt
  const giveUpAt = performance.now() + INGRESS_WITHIN_MS
  for (;;) {
    const { status, body } = await client.get('')
    if (status === 200) return { readyMs, servingMs: performance.now() - startedAt }
    if (performance.now() > giveUpAt) throw new Error(`the ingress answers ${status} ${body.slice(0, 200)}`)
    await sleep(250)
  }
}

export const applied: Scenario = {
  name: 'kubectl apply gives three ready pods, and the ingress answers, within thirty seconds',
  timeoutMs: 300_000,
  foundation: true,
  async run(context) {
    const { kube, note } = context
    await requireNoRival()
    await kube.dropNamespace(NAMESPACE)
    await kube.makeNamespace(NAMESPACE)
    const { readyMs, servingMs } = await install(context)
    note('seconds from apply to three ready pods', (readyMs / 1000).toFixed(1))
    note('seconds from apply to an answer of the ingress', (servingMs / 1000).toFixed(1))
    const pods = await kube.pods()
    if (pods.length !== 3) throw new Error(`there are ${pods.length} pods: ${pods.join(', ')}`)
    await requireSameCluster(context, pods[0] ?? '')
    if (servingMs > SERVING_WITHIN_MS) throw new Error(`it took ${Math.round(servingMs)} ms until the ingress answered`)
  },
}

/** Before anything is made, as half of the answers would be right and half would be somebody else's. */
async function requireNoRival(): Promise<void> {
  const listed = await run('kubectl', ['get', 'ingresses', '--all-namespaces', '--output', 'json'])
  const rivals = ingressRivals(listed, NAMESPACE)
  if (rivals.length === 0) return
  throw new Error(
    `the Ingress ${rivals.join(', ')} has no host and would take a share of the requests: delete its release first (\`kubectl delete -f deploy.yaml\`, \`helm uninstall\`)`,
  )
}

/** Something else may listen at the ingress' address: another cluster, or a server of this machine. All that follows would be about that. */
async function requireSameCluster({ kube, client }: Context, pod: string): Promise<void> {
  const [key, value] = [`e2e-${randomUUID()}`, randomUUID()]
  const { status, body } = await client.set({ [key]: value })
  if (status !== 200) throw new Error(`the ingress answers a write with ${status} ${body.slice(0, 200)}`)
  if ((await kube.takeKey(pod, key)) !== value) {
    throw new Error(
      'the ingress address answers, but not from this release: another cluster or server listens there, or another Ingress shares its requests',
    )
  }
}

export const installedByHelm: Scenario = {
  name: 'helm install gives three ready pods that pass helm test with signed gossip, and uninstall leaves nothing',
  timeoutMs: 240_000,
  async run({ settings, note }) {
    await inNamespace(settings, HELM_NAMESPACE, async () => {
      const release = new Release(settings, HELM_NAMESPACE)
      await putKeys(release.kube, [Buffer.alloc(32, 'key').toString('base64')])
      const startedAt = performance.now()
      await release.install(settings.image, ['gossip.existingSecret=jackdaw-gossip'])
      note('seconds from helm install to three ready pods', ((performance.now() - startedAt) / 1000).toFixed(1))
      await requireSigned(release)
      const said = await release.test()
      if (!/Phase: +Succeeded/.test(said)) throw new Error(`helm test did not say that it succeeded:\n${said}`)
      await release.uninstall()
      const kinds = 'statefulsets,services,endpointslices,poddisruptionbudgets,roles,rolebindings,ingresses,persistentvolumeclaims'
      const left = await release.kube.kubectl(['get', kinds, '--output', 'name'])
      if (left.trim() !== '') throw new Error(`uninstall left ${left}`)
      release.client.close()
    })
  },
}
