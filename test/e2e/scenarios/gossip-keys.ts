/**
 * Gossip that is signed: a running cluster gets its first key, changes it, and never drops a member on the way.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { whileChecking } from '../checking-client.ts'
import { converged, total } from '../convergence.ts'
import { type Release, withRelease } from '../helm.ts'
import { requireKeys, writeKeys } from '../key-set.ts'
import type { Kube } from '../kube.ts'
import type { Scenario } from '../scenario.ts'

const NAMESPACE = 'jackdaw-e2e-keys'
const SECRET = 'jackdaw-gossip'
const FIRST = Buffer.alloc(32, 'first').toString('base64')
const SECOND = Buffer.alloc(32, 'second').toString('base64')
/** A kubelet brings a changed secret to its pods within some 90 s. */
const MOUNTED_WITHIN_MS = 180_000
/** The server reads the file every 2 s. */
const READ_MS = 5_000

export const keysRotated: Scenario = {
  name: 'a running cluster gets a gossip key and changes it without losing a member, a request or a key',
  timeoutMs: 900_000,
  long: true,
  async run(context) {
    const { settings, note } = context
    await withRelease(context, NAMESPACE, {}, async (release) => {
      const { kube } = release
      await writeKeys(release.client)
      const options = { maxKeys: 2_000, listed: null, host: release.host }
      const checked = await whileChecking(settings.ingressUrl, options, async () => {
        await putKeys(kube, [FIRST])
        await release.upgrade([`gossip.existingSecret=${SECRET}`, 'gossip.verify=false'])
        await release.upgrade(['gossip.verify=true'])
        await requireSigned(release)
        const changes = await total(kube, 'jackdaw_member_changes_total')
        for (const keys of [[FIRST, SECOND], [SECOND, FIRST], [SECOND]]) {
          const startedAt = performance.now()
          await putKeys(kube, keys)
          await mounted(kube, keys)
          note('seconds until a changed secret was in all pods', ((performance.now() - startedAt) / 1000).toFixed(1))
          await sleep(READ_MS)
          await converged(kube, 3, 10_000)
        }
        const changed = (await total(kube, 'jackdaw_member_changes_total')) - changes
        note('changes of membership while the key changed', changed)
        if (changed !== 0) throw new Error(`${changed} changes of membership while the key changed`)
        await requireSigned(release)
      })
      note('checked beside the change of keys', `${checked.writes} writes and ${checked.reads} reads`)
      note('keys checked after the change of keys', await requireKeys(release.client, 'after the change of keys'))
    })
  },
}

export async function putKeys(kube: Kube, keys: readonly string[]): Promise<void> {
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: SECRET }, stringData: { keys: `${keys.join('\n')}\n` } }
  await kube.kubectl(['apply', '--filename', '-'], { input: JSON.stringify(secret) })
}

/** Members see each other, and refuse a packet that nobody signed. */
export async function requireSigned({ kube }: Release): Promise<void> {
  await converged(kube, 3, 30_000)
  const [pod = '', peer = ''] = await kube.pods()
  const address = (await kube.kubectl(['get', 'pod', peer, '--output', 'jsonpath={.status.podIP}'])).trim()
  const before = await total(kube, 'jackdaw_gossip_packets_forged_total')
  await kube.evaluate(
    pod,
    `const socket = require('node:dgram').createSocket('udp4'); socket.send('nobody signed this packet', 7946, '${address}', () => socket.close())`,
  )
  await sleep(1_000)
  const refused = (await total(kube, 'jackdaw_gossip_packets_forged_total')) - before
  if (refused !== 1) throw new Error(`${refused} packets were refused as forged, of 1 that was`)
}

async function mounted(kube: Kube, keys: readonly string[]): Promise<void> {
  const giveUpAt = performance.now() + MOUNTED_WITHIN_MS
  for (const pod of await kube.pods()) {
    for (;;) {
      const file = await kube.kubectl(['exec', pod, '--', 'cat', '/etc/jackdaw/gossip/keys'])
      if (file.trim() === keys.join('\n')) break
      if (performance.now() > giveUpAt) throw new Error(`${pod} has not got the changed secret after ${MOUNTED_WITHIN_MS} ms`)
      await sleep(1_000)
    }
  }
}
