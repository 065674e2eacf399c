/**
 * Discovery by DNS: a release that asks nothing of the API server, and still is rolled and scaled.
 */
import { whileChecking } from '../checking-client.ts'
import { withRelease } from '../helm.ts'
import { requireKeys, writeKeys } from '../key-set.ts'
import type { Kube } from '../kube.ts'
import type { Scenario } from '../scenario.ts'
import { sideReads } from '../targets.ts'
import { underLoad } from '../under-load.ts'
import { scaleTo } from './scale.ts'

const ROLL_SECONDS = 180

export const foundByDns: Scenario = {
  name: 'pods that find each other by DNS, without any right at the API, are rolled and scaled without a failed request or a lost key',
  timeoutMs: 400_000,
  long: true,
  async run(context) {
    const { settings, note } = context
    await withRelease(context, 'jackdaw-e2e-dns', { values: ['discovery=dns'] }, async ({ kube, client, host }) => {
      await requireNoRights(kube)
      await writeKeys(client)
      const checked = await whileChecking(settings.ingressUrl, { maxKeys: 2_000, listed: null, host }, () =>
        underLoad(context, sideReads('GET, found by DNS', host), async () => {
          await kube.roll(ROLL_SECONDS)
          note('keys checked after the roll of pods found by DNS', await requireKeys(client, 'after the roll of pods found by DNS'))
          await scaleTo(kube, 4)
          await scaleTo(kube, 3)
        }),
      )
      note('checked beside the pods found by DNS', `${checked.writes} writes and ${checked.reads} reads`)
      note('keys checked after their scaling', await requireKeys(client, 'after the scaling of pods found by DNS'))
    })
  },
}

async function requireNoRights(kube: Kube): Promise<void> {
  const granted = await kube.kubectl(['get', 'roles,rolebindings', '--output', 'name'])
  const mounted = await kube.kubectl([
    'get',
    'pods',
    '--selector',
    kube.selector,
    '--output',
    'jsonpath={.items[*].spec.automountServiceAccountToken}',
  ])
  if (granted.trim() !== '' || mounted !== 'false false false') throw new Error(`the pods have rights: ${granted} ${mounted}`)
}
