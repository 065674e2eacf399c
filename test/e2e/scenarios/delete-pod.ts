/**
 * Pods are deleted one after the other, in order, as a drain of their nodes would: each hands over, leaves and comes back.
 *
 * The hand-over begins when Kubernetes marks the pod for deletion, and not only when SIGTERM comes after the pause of preStop: the pod's own log has to say
 * so, by its own clock.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { whileChecking } from '../checking-client.ts'
import { converged } from '../convergence.ts'
import { requireKeys } from '../key-set.ts'
import type { Context, Scenario } from '../scenario.ts'
import { sideReads } from '../targets.ts'
import { underLoad } from '../under-load.ts'

const SETTLED_WITHIN_MS = 30_000
/** The pause is 5 s, of which the news of the deletion takes a part. */
const LEAST_BEFORE_SIGTERM_MS = 2_500

/** As the server says them. */
const LEAVING = 'leaving: handing over'
const GRANTED = 'granted slots'
const SIGTERM = 'stopping: draining and handing over'
const STOPPED = 'stopped: everything was handed over'

export const podDeleted: Scenario = {
  name: 'deleting a pod fails no request and loses no key, and it hands over before SIGTERM',
  timeoutMs: 300_000,
  async run(context) {
    const { kube, client, settings, note } = context
    const checked = await whileChecking(settings.ingressUrl, { maxKeys: 2_000, listed: null }, () =>
      underLoad(context, sideReads('GET, pods deleted'), async () => {
        const pods = await kube.pods()
        // The first and the last, where time is short.
        for (const pod of settings.full ? pods : [pods[0], pods.at(-1)]) await deleteInOrder(context, pod ?? '')
      }),
    )
    note('checked beside the deleted pods', `${checked.writes} writes and ${checked.reads} reads`)
    note('keys checked after deleting pods', await requireKeys(client, 'after deleting pods'))
  },
}

async function deleteInOrder({ kube, note }: Context, pod: string): Promise<void> {
  // A fellow that has only just come back takes nothing over yet.
  await converged(kube, 3, SETTLED_WITHIN_MS)
  const uid = await kube.uid(pod)
  const log = kube.kubectl(['logs', '--follow', pod], { timeoutMs: 90_000 })
  // It is awaited below; until then, its failure is not an unhandled one.
  log.catch(() => undefined)
  await kube.kubectl(['delete', 'pod', pod, '--wait', '--timeout=60s'], { timeoutMs: 65_000 })
  await kube.settled(60)
  if ((await kube.uid(pod)) === uid) throw new Error(`${pod} was not replaced`)
  note(`milliseconds between the hand-over of ${pod} and SIGTERM`, requireEarlyHandOver(pod, await log))
  await sleep(2_000)
}

/** How long before SIGTERM the hand-over began. Throws unless that is most of the pause, slots were granted in it, and all was handed over in the end. */
function requireEarlyHandOver(pod: string, log: string): number {
  const lines = log.split('\n').flatMap(parsed)
  const moment = (said: string) => {
    const line = lines.find(({ msg }) => msg === said)
    if (line === undefined) throw new Error(`the log of ${pod} does not have "${said}":\n${log.slice(-4_000)}`)
    return Date.parse(line.time)
  }
  const leftAt = moment(LEAVING)
  const asked = moment(SIGTERM)
  const grants = lines.filter(({ msg, time }) => msg === GRANTED && Date.parse(time) >= leftAt && Date.parse(time) <= asked)
  moment(STOPPED)
  if (asked - leftAt < LEAST_BEFORE_SIGTERM_MS) throw new Error(`${pod} began to hand over ${asked - leftAt} ms before SIGTERM`)
  if (grants.length === 0) throw new Error(`${pod} granted no slots before SIGTERM:\n${log.slice(-4_000)}`)
  return asked - leftAt
}

interface LogLine {
  readonly time: string
  readonly msg: string
}

function parsed(line: string): readonly LogLine[] {
  try {
    return [JSON.parse(line) as LogLine]
  } catch {
    return []
  }
}
