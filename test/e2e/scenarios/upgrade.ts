/**
 * What an operator does with `helm upgrade`: other values, another version, and a version that does not start.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { whileChecking } from '../checking-client.ts'
import { imageTag, withRelease } from '../helm.ts'
import { requireKeys, writeKeys } from '../key-set.ts'
import type { Scenario } from '../scenario.ts'
import { sideReads } from '../targets.ts'
import { underLoad } from '../under-load.ts'

const NAMESPACE = 'jackdaw-e2e-upgrade'
/** For which the rollout is left broken. */
const BROKEN_MS = 20_000
const NO_SUCH_TAG = 'no-such-tag'

export const upgradedValues: Scenario = {
  name: 'helm upgrade with other values fails no request and loses no key',
  timeoutMs: 300_000,
  long: true,
  async run(context) {
    const { settings, note } = context
    await withRelease(context, NAMESPACE, {}, async (release) => {
      await writeKeys(release.client)
      const before = await release.kube.uids()
      const options = { maxKeys: 2_000, listed: null, host: release.host }
      const checked = await whileChecking(settings.ingressUrl, options, () =>
        underLoad(context, sideReads('GET, helm upgrade', release.host), async () => {
          const startedAt = performance.now()
          await release.upgrade(['maxMemoryBytes=200MiB', 'options.evictionPolicy=allkeys-lfu', 'podAnnotations.e2e=upgraded'])
          note('seconds of helm upgrade with other values', ((performance.now() - startedAt) / 1000).toFixed(1))
        }),
      )
      if ((await release.kube.uids()).some((uid) => before.includes(uid))) throw new Error('a pod was not replaced')
      note('checked beside helm upgrade', `${checked.writes} writes and ${checked.reads} reads`)
      note('keys checked after helm upgrade', await requireKeys(release.client, 'after helm upgrade'))
    })
  },
}

export const upgradedVersion: Scenario = {
  name: 'helm upgrade from an earlier version, and back, fails no request and loses no key',
  timeoutMs: 400_000,
  leftOut: ({ previousImage }) => (previousImage === null ? 'E2E_PREVIOUS_IMAGE is not set: there is nothing to upgrade from' : null),
  async run(context) {
    const { settings, note } = context
    const { previousImage, previousChart } = settings
    if (previousImage === null) return
    const from = previousChart === null ? { image: previousImage } : { image: previousImage, chart: previousChart }
    await withRelease(context, NAMESPACE, from, async (release) => {
      await writeKeys(release.client)
      const options = { maxKeys: 2_000, listed: null, host: release.host }
      const checked = await whileChecking(settings.ingressUrl, options, () =>
        underLoad(context, sideReads('GET, other version', release.host), async () => {
          const startedAt = performance.now()
          await release.upgrade(imageTag(settings.image))
          note('seconds of the upgrade from an earlier version', ((performance.now() - startedAt) / 1000).toFixed(1))
          note('keys checked after the upgrade', await requireKeys(release.client, 'after the upgrade from an earlier version'))
          await release.rollback()
        }),
      )
      note('checked beside the upgrade and the way back', `${checked.writes} writes and ${checked.reads} reads`)
      note('keys checked after the way back', await requireKeys(release.client, 'after the way back to an earlier version'))
    })
  },
}

export const badImage: Scenario = {
  name: 'a rollout of an image that does not exist stops at one pod, the others serve, and helm rollback ends it',
  timeoutMs: 300_000,
  async run(context) {
    const { settings, note } = context
    await withRelease(context, NAMESPACE, {}, async (release) => {
      const { kube } = release
      await writeKeys(release.client)
      const options = { maxKeys: 2_000, listed: null, host: release.host }
      const checked = await whileChecking(settings.ingressUrl, options, async () => {
        await release.beginUpgrade([`image.tag=${NO_SUCH_TAG}`])
        await kube.kubectl(['wait', '--for=jsonpath={.status.readyReplicas}=2', `statefulset/${kube.name}`, '--timeout=60s'], {
          timeoutMs: 65_000,
        })
        await sleep(BROKEN_MS)
        const images = await kube.kubectl([
          'get',
          'pods',
          '--selector',
          kube.selector,
          '--output',
          'jsonpath={.items[*].spec.containers[0].image}',
        ])
        const broken = images.split(' ').filter((image) => image.endsWith(NO_SUCH_TAG)).length
        if (broken !== 1) throw new Error(`${broken} pods have the image that does not exist: ${images}`)
        note('keys checked while the rollout was broken', await requireKeys(release.client, 'while the rollout was broken'))
        const startedAt = performance.now()
        await release.rollback()
        note('seconds of helm rollback', ((performance.now() - startedAt) / 1000).toFixed(1))
      })
      note('checked beside the broken rollout', `${checked.writes} writes and ${checked.reads} reads`)
      note('keys checked after helm rollback', await requireKeys(release.client, 'after helm rollback'))
    })
  },
}
