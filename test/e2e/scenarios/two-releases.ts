/**
 * Two releases in one namespace: the same labels but for the name of the release, the same ports, and never one cluster.
 */
import { converged } from '../convergence.ts'
import { inNamespace, Release } from '../helm.ts'
import type { Scenario } from '../scenario.ts'

const NAMESPACE = 'jackdaw-e2e-two'
const KEYS = Array.from({ length: 50 }, (_, i) => `shared-name-${i}`)

export const twoReleases: Scenario = {
  name: 'two releases in one namespace never mix',
  timeoutMs: 300_000,
  long: true,
  async run({ settings, note }) {
    await inNamespace(settings, NAMESPACE, async () => {
      const releases = ['jackdaw', 'other'].map((name) => new Release(settings, NAMESPACE, name))
      for (const release of releases) await release.install(settings.image, [])
      for (const release of releases) {
        await release.reachable()
        await converged(release.kube, 3, 30_000)
        for (const key of KEYS) await release.client.set({ [key]: release.host })
      }
      // A roll changes every address: what a freed address belongs to next may be a pod of the other release.
      await Promise.all(releases.map(({ kube: { name }, kube: own }) => own.kubectl(['rollout', 'restart', `statefulset/${name}`])))
      for (const release of releases) {
        await release.kube.settled(120)
        await converged(release.kube, 3, 30_000)
        await requireOwn(release)
      }
      note('keys of the same name checked at two releases after a roll of both', KEYS.length * releases.length)
      for (const { client } of releases) client.close()
    })
  },
}

async function requireOwn({ kube, host }: Release): Promise<void> {
  const answers = (await kube.answers(KEYS)).flat()
  const wrong = answers.filter((value) => value !== JSON.stringify(host))
  if (wrong.length > 0) throw new Error(`${wrong.length} of ${answers.length} answers for ${host} are ${wrong[0]} or the like`)
}
