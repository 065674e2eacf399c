/**
 * Bytes an entry, by the memory that is resident: (full - empty) / entries, where empty means warm. Before it is looked at, a server has been written to
 * and flushed: code is compiled and buffers are made, and that is not the entries' cost. The warm-up overwrites few keys, so that what a server
 * keeps of them for later is little beside what comes.
 *
 * Entries are in no order, and there is room for all.
 */
import { type Dialect, Loader, mixedKey } from './loader.ts'
import { decimals, ratioText, type Section } from './report.ts'
import { measureInTurn, type Plan, Samples, spreadOf } from './rounds.ts'
import type { ServerProcess, Subject } from './server-process.ts'

const VALUE_BYTES = 100
const ENTRIES = 2_000_000
const QUICK_ENTRIES = 200_000
const WARM_WRITES = 100_000
const WARM_KEYS = 1_000
/** Allocators give memory back for some seconds after it was freed. */
const QUIET_MS = 5_000
const QUICK_QUIET_MS = 500
const MIB = 2 ** 20

export interface MemorySubject extends Subject {
  readonly dialect: Dialect
}

interface Held {
  readonly emptyBytes: number
  readonly fullBytes: number
  readonly bytesPerEntry: number
}

const WHAT = 'entries'

/** The first is measured against the best of the others. */
export async function measureMemory(
  plan: Plan,
  subjects: readonly [MemorySubject, ...MemorySubject[]],
  notes: readonly string[],
): Promise<Section> {
  const entries = plan.quick ? QUICK_ENTRIES : ENTRIES
  const samples = new Samples<Held>()
  await measureInTurn('memory', plan, subjects, async (server, { name, dialect }) => {
    samples.add(WHAT, name, await fill(server, dialect, entries, plan.quick ? QUICK_QUIET_MS : QUIET_MS))
  })
  const bytesOf = (sample: Held): number => sample.bytesPerEntry
  const [jackdaw, ...rivals] = subjects.map(({ name }) => name) as [string, ...string[]]
  const ratios = samples.of(WHAT, jackdaw).map((held, round) => {
    const best = Math.min(...rivals.map((rival) => bytesOf(samples.of(WHAT, rival)[round] as Held)))
    return held.bytesPerEntry / best
  })
  const row = (name: string): string[] => [
    name,
    decimals(samples.median(WHAT, name, bytesOf), 0),
    ratioText(name === jackdaw && rivals.length > 0 ? spreadOf(ratios) : null),
    decimals(
      samples.median(WHAT, name, ({ emptyBytes }) => emptyBytes / MIB),
      1,
    ),
    decimals(
      samples.median(WHAT, name, ({ fullBytes }) => fullBytes / MIB),
      1,
    ),
  ]
  return {
    title: 'Memory: bytes an entry',
    text:
      `${entries.toLocaleString('en')} entries, keys of ${mixedKey(0).length} B, values of ${VALUE_BYTES} B: ` +
      '(resident when full - resident when empty and warm) / entries. Jackdaw with its search indexes. The goal is at most 1.0 x the better rival.',
    head: ['', 'bytes an entry', 'x the better rival', 'empty, MiB', 'full, MiB'],
    rows: [...rivals, jackdaw].map(row),
    notes,
  }
}

async function fill(server: ServerProcess, dialect: Dialect, entries: number, quietMs: number): Promise<Held> {
  const value = 'x'.repeat(VALUE_BYTES)
  const loader = await Loader.connect(server.port, dialect)
  try {
    await loader.set(WARM_WRITES, (i) => mixedKey(entries + (i % WARM_KEYS)), value)
    await loader.flush()
    const emptyBytes = await server.settledBytes(quietMs)
    await loader.set(entries, mixedKey, value)
    await loader.expect(entries)
    const fullBytes = await server.settledBytes(quietMs)
    return { emptyBytes, fullBytes, bytesPerEntry: (fullBytes - emptyBytes) / entries }
  } finally {
    loader.close()
  }
}
