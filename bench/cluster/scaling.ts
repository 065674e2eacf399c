/**
 * Three members become five and three again, while clients read what is at rest and write keys of their own through the first three. A key at rest that is
 * not found, or that holds something else, is a miss of the topology.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { randomBelow, SeededRandom } from '../../src/lib/random.ts'
import type { NetworkedMembers } from '../../test/support/networked-members.ts'
import { until } from '../../test/support/processes.ts'
import { encodeCommand } from '../../test/support/raw-resp.ts'
import { type Figure, milliseconds } from './figure.ts'
import { lineTo, slotsOf, withFlock } from './flock.ts'
import { fillMembers } from './loading.ts'

const FEW = 3
const MANY = 5
const KEYS = 300_000
const QUICK_KEYS = 50_000
const VALUE_BYTES = 1_000
const READERS = 4
const KEYS_A_TURN = 20
/** Of each reader, at most. */
const OWN_KEYS = 1_000
const MOVE_MS = 120_000
const LOOK_MS = 50
/** A member that has so many slots has got its share. */
const SHARE = 2_000

export async function measureScaling(quick: boolean): Promise<Figure[]> {
  const keys = quick ? QUICK_KEYS : KEYS
  return withFlock({ hosts: MANY, seeds: FEW }, async (members) => {
    await fillMembers(members, FEW, keys, restingKey, restingValue)
    const readers = await Promise.all(Array.from({ length: READERS }, (_, i) => Reader.start(members, i % FEW, i, keys)))
    const moves: Move[] = []
    try {
      moves.push(
        await timed(members, async () => {
          for (let host = FEW; host < MANY; host++) members.start(host)
          for (let host = FEW; host < MANY; host++) await members.ready(host)
          for (let host = FEW; host < MANY; host++)
            await until(async () => (await slotsOf(members, host, 0)) > SHARE, MOVE_MS, `${members.name(host)} to serve its share`)
          await members.settled(MOVE_MS)
        }),
      )
      // What the first three hold without having to would make the way back too easy.
      await until(async () => (await entries(members)) <= 2 * (keys + OWN_KEYS * READERS), MOVE_MS, 'surplus copies to be dropped')
      moves.push(
        await timed(members, async () => {
          for (let host = FEW; host < MANY; host++) await members.retire(host, 0)
          for (let host = FEW; host < MANY; host++) {
            await until(async () => (await slotsOf(members, host, 0)) === 0, MOVE_MS, `${members.name(host)} to serve nothing any more`)
          }
          await until(async () => (await members.report(0)).uncopiedSlots === 0, MOVE_MS, 'a copy of every slot')
          for (let host = FEW; host < MANY; host++) {
            members.signal(host, 'SIGTERM')
            await members.ended(host)
          }
          await members.settled(MOVE_MS)
        }),
      )
    } finally {
      await Promise.all(readers.map((reader) => reader.stop()))
    }
    const sum = (of: (reader: Reader) => number): number => readers.reduce((all, reader) => all + of(reader), 0)
    const [reads, writes, misses, failed] = [
      sum((reader) => reader.reads),
      sum((reader) => reader.writes),
      sum((reader) => reader.misses),
      sum((reader) => reader.failed),
    ]
    const left = await missing(members, keys)
    const longest = Math.max(...readers.map(({ longestMs }) => longestMs))
    return [
      {
        what: `${FEW} members become ${MANY} and ${FEW} again, ${keys.toLocaleString('en')} keys of ${VALUE_BYTES} B: misses, failures, keys missing in the end`,
        measured: `${misses}, ${failed}, ${left} (of ${reads.toLocaleString('en')} reads and ${writes.toLocaleString('en')} writes; the longest took ${milliseconds(longest)})`,
        goal: '0, 0, 0',
        met: misses === 0 && failed === 0 && left === 0,
      },
      ...moves.map((move, i) => ({
        what: i === 0 ? 'moved on the way up' : 'moved on the way down',
        measured: `${move.entries.toLocaleString('en')} entries, ${(move.bytes / 1e6).toFixed(0)} MB in ${milliseconds(move.copyingMs)}: ${(move.bytes / move.copyingMs / 1e6).toFixed(3)} GB/s, ${((move.entries / move.copyingMs) * 1_000).toFixed(0)} keys/s; all settled after ${milliseconds(move.tookMs)}`,
        goal: '',
        met: null,
      })),
    ]
  })
}

/** Held by all members together. */
async function entries(members: NetworkedMembers): Promise<number> {
  const held = await Promise.all(members.running.map((host) => members.metric(host, 'jackdaw_entries')))
  return held.reduce((sum, figure) => sum + figure, 0)
}

interface Move {
  readonly bytes: number
  readonly entries: number
  /** From the first to the last sight of a copy under way. */
  readonly copyingMs: number
  readonly tookMs: number
}

/** What the members sent in snapshots meanwhile. */
async function timed(members: NetworkedMembers, change: () => Promise<void>): Promise<Move> {
  const startedMs = performance.now()
  const before = await sent(members)
  let last = before
  let [firstMs, lastMs] = [Number.NaN, Number.NaN]
  let over = false
  const watch = async (): Promise<void> => {
    while (!over) {
      const now = await sent(members, last)
      if (now.bytes > last.bytes) {
        if (Number.isNaN(firstMs)) firstMs = performance.now() - LOOK_MS
        lastMs = performance.now()
        last = now
      }
      await pause(LOOK_MS)
    }
  }
  const watching = watch()
  try {
    await change()
  } finally {
    over = true
    await watching
  }
  return {
    bytes: last.bytes - before.bytes,
    entries: last.entries - before.entries,
    copyingMs: lastMs - firstMs,
    tookMs: performance.now() - startedMs,
  }
}

interface Sent {
  readonly bytes: number
  readonly entries: number
  readonly by: ReadonlyMap<number, readonly [bytes: number, entries: number]>
}

/** A member that does not answer, or is gone, counts as it did before. */
async function sent(members: NetworkedMembers, before?: Sent): Promise<Sent> {
  const by = new Map(before?.by)
  for (const host of members.running) {
    const figures = await Promise.all(
      ['jackdaw_bulk_bytes_total', 'jackdaw_bulk_entries_total'].map((name) => members.metric(host, name)),
    ).catch(() => null)
    if (figures !== null) by.set(host, figures as unknown as [number, number])
  }
  const all = [...by.values()]
  return { bytes: all.reduce((sum, [bytes]) => sum + bytes, 0), entries: all.reduce((sum, [, entries]) => sum + entries, 0), by }
}

const restingKey = (i: number): string => `resting:${i}`
const restingValue = (i: number): string => `${i}:`.padEnd(VALUE_BYTES, 'x')

/** How many keys at rest are not as they were set, through one of the members. */
async function missing(members: NetworkedMembers, keys: number): Promise<number> {
  const line = await lineTo(members, 1)
  let wrong = 0
  const batch = 500
  try {
    for (let from = 0; from < keys; from += batch) {
      const some = Array.from({ length: Math.min(batch, keys - from) }, (_, i) => from + i)
      const replies = await line.exchange([Buffer.concat(some.map((i) => encodeCommand(['GET', restingKey(i)])))], some.length)
      for (const [n, i] of some.entries()) if (!isValue(replies[n] as Buffer, restingValue(i))) wrong++
    }
  } finally {
    line.close()
  }
  return wrong
}

function isValue(reply: Buffer, value: string): boolean {
  return reply.toString('latin1') === `$${value.length}\r\n${value}\r\n`
}

/** Reads keys at rest, and writes one of its own, again and again. */
class Reader {
  reads = 0
  writes = 0
  misses = 0
  failed = 0
  longestMs = 0
  #stopped = false
  #done: Promise<void> = Promise.resolve()

  static async start(members: NetworkedMembers, host: number, number: number, keys: number): Promise<Reader> {
    const reader = new Reader()
    reader.#done = reader.#run(await lineTo(members, host), number, keys)
    return reader
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async #run(line: Awaited<ReturnType<typeof lineTo>>, number: number, keys: number): Promise<void> {
    const random = new SeededRandom(number)
    while (!this.#stopped) {
      const some = Array.from({ length: KEYS_A_TURN }, () => randomBelow(random, keys))
      const own = `own:${number}:${randomBelow(random, OWN_KEYS)}`
      const sentMs = performance.now()
      const commands = [...some.map((i) => ['GET', restingKey(i)]), ['SET', own, String(this.writes)], ['GET', own]]
      const replies = await line.exchange([Buffer.concat(commands.map(encodeCommand))], commands.length)
      this.longestMs = Math.max(this.longestMs, performance.now() - sentMs)
      for (const [n, i] of some.entries()) this.#judge(replies[n] as Buffer, restingValue(i))
      if (replies[KEYS_A_TURN]?.[0] !== 0x2b) this.failed++
      else this.#judge(replies[KEYS_A_TURN + 1] as Buffer, String(this.writes))
      this.writes++
      await pause(1)
    }
    line.close()
  }

  #judge(reply: Buffer, value: string): void {
    this.reads++
    if (reply[0] === 0x2d) this.failed++
    else if (!isValue(reply, value)) this.misses++
  }
}
