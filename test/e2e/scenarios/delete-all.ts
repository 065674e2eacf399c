/**
 * All pods are deleted at once. The entries are in memory only, so they may be gone; what has to hold is that the next pods serve, that no value is
 * another than the one written, and that the pods say what they took with them.
 */
import { countMissingKeys, KEY_COUNT, requireKeys, writeKeys } from '../key-set.ts'
import type { Scenario } from '../scenario.ts'

export const allDeleted: Scenario = {
  name: 'deleting all pods at once empties the cache, and the next pods serve',
  timeoutMs: 300_000,
  long: true,
  async run({ kube, client, note }) {
    const pods = await kube.pods()
    const before = await kube.uids()
    const logs = Promise.all(pods.map((pod) => kube.kubectl(['logs', '--follow', '--tail=0', pod], { timeoutMs: 200_000 })))
    logs.catch(() => undefined)
    const startedAt = performance.now()
    await kube.kubectl(['delete', 'pod', '--selector', kube.selector, '--wait', '--timeout=150s'], { timeoutMs: 160_000 })
    await kube.settled(90)
    note('seconds until all pods were replaced after all were deleted at once', ((performance.now() - startedAt) / 1000).toFixed(1))
    const stayed = (await kube.uids()).filter((uid) => before.includes(uid))
    if (stayed.length > 0) throw new Error(`${stayed.length} pods were not replaced`)
    const missing = await countMissingKeys(client, 'after all pods were deleted')
    note('keys lost when all pods were deleted at once', `${missing} of ${KEY_COUNT}`)
    const said = (await logs).join('').match(/stopped: [^"]+/g) ?? []
    note('what the pods said when they stopped', said.join('; '))
    if (said.length !== pods.length) throw new Error(`${said.length} of ${pods.length} pods said how they stopped`)
    await writeKeys(client)
    note('keys checked after they were written again', await requireKeys(client, 'after all pods were deleted and the keys written again'))
  },
}
