/**
 * The history of writes, as one sees it who stands beside every member: each write that a primary executed, and the version of its key that was there when it
 * did. What is there at last leads back, version by version, over all that was written with knowledge of each other. Whatever is not on that way was lost: to
 * a write that had not seen it, with a member that died, or because it was given up.
 *
 * Of several writes of one key that are lost together, each in the place of the one before, the last stands for all: so the ledger counts conflicts.
 *
 * Entries that are dropped (evicted, expired, flushed) end such ways. A tombstone that is collected does too: one that nothing led on from is no loss.
 */
import { Entry } from '../../../src/lib/entry.ts'
import { slotOf } from '../../../src/lib/slot.ts'
import { compareVersions, type Version } from '../../../src/lib/version.ts'
import type { Cluster, Life } from '../../support/cluster.ts'

export interface Write {
  readonly key: string
  readonly slot: number
  readonly life: Life
  readonly version: Version
  readonly tombstone: boolean
  /** Virtual time. */
  readonly atMs: number
  /** Somebody followed the slot then, to whom it was streamed. */
  readonly followed: boolean
  /** What it took the place of. */
  readonly before: string | null
  /** Another took its place, knowing it. */
  replaced: boolean
  /** A tombstone that some member has dropped. */
  collected: boolean
}

export interface Lost {
  /** Those that no other write took the place of. */
  readonly last: readonly Write[]
  /** How many there are with those that they had taken the place of. */
  readonly all: number
}

export class WriteHistory {
  readonly #cluster: Cluster
  /** By key and version. */
  readonly #writes = new Map<string, Map<string, Write>>()
  readonly #found = new Entry()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** From here on it sees what this life executes. */
  started(life: Life): void {
    const { replication, store } = life.node.inside
    const write = replication.write.bind(replication)
    replication.write = (entry, slot, place) => {
      const known = store.peek(entry.key, entry.keyStart, entry.keyEnd, this.#found, slot)
      const before = known ? idOf(this.#found) : null
      const outcome = write(entry, slot, place)
      if (outcome === 'applied') {
        const { ms, counter, writer, tombstone } = entry
        this.#add({
          key: entry.keyBytes().toString(),
          slot,
          life,
          version: { ms, counter, writer },
          tombstone,
          atMs: this.#cluster.clock.now(),
          followed: replication.confirmable(slot),
          before,
          replaced: false,
          collected: false,
        })
      }
      return outcome
    }
    const dropped = replication.dropped.bind(replication)
    replication.dropped = (entry, slot, evicted) => {
      const write = entry.tombstone ? this.#writes.get(entry.keyBytes().toString())?.get(idOf(entry)) : undefined
      if (write !== undefined) write.collected = true
      dropped(entry, slot, evicted)
    }
  }

  /** What is not there any more, while all members agree on who executes what. */
  lost(): Lost {
    const last: Write[] = []
    let all = 0
    for (const [key, writes] of this.#writes) {
      const ends = [...writes.values()].filter(({ replaced }) => !replaced)
      const kept = this.#present(key) ?? lastTombstone(ends)
      const way = new Set<string>()
      for (let at = kept; at !== null; at = writes.get(at)?.before ?? null) way.add(at)
      last.push(...ends.filter(({ version }) => idOf(version) !== kept))
      for (const id of writes.keys()) if (!way.has(id)) all++
    }
    return { last, all }
  }

  #add(write: Write): void {
    const known = this.#writes.get(write.key)
    if (known === undefined) this.#writes.set(write.key, new Map([[idOf(write.version), write]]))
    else {
      known.set(idOf(write.version), write)
      const before = write.before === null ? undefined : known.get(write.before)
      if (before !== undefined) before.replaced = true
    }
  }

  #present(key: string): string | null {
    const bytes = Buffer.from(key)
    const slot = slotOf(bytes)
    const holder = [...this.#cluster.lives.values()].find(({ node }) => node.inside.replication.executes(slot))
    return holder?.node.inside.store.peek(bytes, 0, bytes.length, this.#found, slot) === true ? idOf(this.#found) : null
  }
}

/** What a key ended with of which nothing is there. */
function lastTombstone(ends: readonly Write[]): string | null {
  const tombstones = ends.filter(({ tombstone }) => tombstone).sort((one, other) => compareVersions(one.version, other.version))
  return tombstones.length === 0 ? null : idOf((tombstones.at(-1) as Write).version)
}

function idOf({ ms, counter, writer }: Version): string {
  return `${ms}-${counter}/${writer}`
}
