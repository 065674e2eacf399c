/**
 * What the sudden loss of a pod is measured by, however it is lost.
 *
 * Writes that were acknowledged in the last moment may be lost, for replication is asynchronous: they are counted, none may be older than a
 * moment, and they have to lie within what the members' own ledger says. What was at rest before must all be there.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { converged } from '../convergence.ts'
import { Hammer } from '../hammer.ts'
import { requireKeys } from '../key-set.ts'
import { type Kube, metricOf } from '../kube.ts'
import type { Context } from '../scenario.ts'

const CONVERGED_WITHIN_MS = 30_000
const STEADY_MS = 3_000
/** After the failure, with writers at work: longer than detection and claims. */
const FAILING_MS = 10_000
/** No acceptable failover takes as long. */
const LONGEST_GAP_MS = 3_000
/** Acknowledged longer before the failure than this, a write has reached a replica or is known to be late. */
const OLDEST_LOSS_MS = 1_000

export interface Failure {
  /** What the report calls it. */
  readonly name: string
  /** The pod that is lost. Not the same as before, unless all pods were replaced since: a ledger remembers one loss of each name. */
  readonly victim: string
  fail(): Promise<void>
  /** Resolves when all pods are there again. */
  mend(): Promise<void>
}

/** How many writes the primaries that are gone may have taken along, as one member says. */
interface Bound {
  readonly least: number
  readonly most: number
}

/** Lets the victim be lost under writes, some of them to its own slots, then mended, and checks what both cost. */
export async function whileHammering(context: Context, { name, victim, fail, mend }: Failure): Promise<void> {
  const { client, kube, settings, note } = context
  // Two losses one right after the other would be another matter.
  await converged(kube, 3, CONVERGED_WITHIN_MS)
  const before = await bounds(kube)
  const hammer = new Hammer(settings.ingressUrl, `hammered-${Date.now()}`)
  let failedAtMs = 0
  let gapMs = 0
  try {
    // The first answers wait for connections to be made.
    await sleep(STEADY_MS)
    hammer.forget()
    await sleep(STEADY_MS)
    note(`longest gap between accepted writes to a slot before ${name}, in ms`, Math.round(hammer.longestGapMs()))
    const hit = await executedBy(kube, victim, hammer.sampleKeys())
    note(`slots under writes that ${victim} served before ${name}`, `${hit} of ${hammer.sampleKeys().length}`)
    if (hit === 0) throw new Error(`no slot under writes was served by ${victim}: its loss would show nothing`)
    hammer.forget()
    failedAtMs = performance.now()
    await fail()
    note(`milliseconds that the command for ${name} took`, Math.round(performance.now() - failedAtMs))
    await sleep(FAILING_MS)
    gapMs = hammer.longestGapMs()
    note(`longest gap between accepted writes to a slot over ${name}, in ms`, Math.round(gapMs))
    note(`writes refused or broken over ${name}`, hammer.failures())
    await mend()
  } finally {
    await hammer.stop()
  }
  const { acknowledged, lost, firstMs, lastMs } = await hammer.losses(failedAtMs)
  const when = lost === 0 ? '' : `, acknowledged ${firstMs} to ${lastMs} ms after the command began`
  note(`writes lost by ${name}`, `${lost} of ${acknowledged} acknowledged${when}`)
  const { least, most } = grown(before, await bounds(kube), victim)
  note(`writes that the members say ${name} may have taken`, `${least} to ${most}`)
  if (lost > most) throw new Error(`${lost} acknowledged writes were lost, and the members say at most ${most}`)
  // A write may have been accepted and lost without its client ever hearing of it.
  if (lost + hammer.failures() < least) {
    throw new Error(`${lost} acknowledged writes were lost and ${hammer.failures()} failed, but the members say at least ${least} are gone`)
  }
  if (firstMs !== null && firstMs < -OLDEST_LOSS_MS) throw new Error(`a write was lost ${-firstMs} ms after it was acknowledged`)
  note(`keys checked after ${name}`, await requireKeys(client, `after ${name}`))
  if (gapMs > LONGEST_GAP_MS) throw new Error(`${Math.round(gapMs)} ms without an accepted write`)
}

/** What the ledger of each pod allows for. */
async function bounds(kube: Kube): Promise<ReadonlyMap<string, Bound>> {
  const all = new Map<string, Bound>()
  for (const pod of await kube.pods()) {
    const text = await kube.metrics(pod)
    const [least, most] = ['least', 'most'].map((bound) => metricOf(text, 'jackdaw_lost_writes_bound', `bound="${bound}"`))
    if (least == null || most == null)
      throw new Error(`${pod} does not say what losses it allows for: jackdaw_lost_writes_bound is missing`)
    all.set(pod, { least, most })
  }
  return all
}

/** What was added by all pods together. The victim's ledger began anew when it did. */
function grown(before: ReadonlyMap<string, Bound>, after: ReadonlyMap<string, Bound>, victim: string): Bound {
  let [least, most] = [0, 0]
  for (const [pod, now] of after) {
    const then = pod === victim ? undefined : before.get(pod)
    least += now.least - (then?.least ?? 0)
    most += now.most - (then?.most ?? 0)
  }
  return { least, most }
}

/** For how many of these keys the pod itself is the one that serves them: to cluster clients it answers MOVED for the others. */
async function executedBy(kube: Kube, pod: string, keys: readonly string[]): Promise<number> {
  const script = `
    const keys = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
    const socket = require('node:net').connect(6380, '127.0.0.1')
    for (const key of keys) socket.write('*2\\r\\n$6\\r\\nEXISTS\\r\\n$' + Buffer.byteLength(key) + '\\r\\n' + key + '\\r\\n')
    let text = ''
    socket.on('data', (bytes) => {
      text += bytes
      const replies = text.split('\\r\\n').slice(0, -1)
      if (replies.length < keys.length) return
      process.stdout.write(String(replies.filter((reply) => reply.startsWith(':')).length))
      socket.destroy()
    })`
  return Number(await kube.evaluate(pod, script, { input: JSON.stringify(keys) }))
}
