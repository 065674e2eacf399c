/**
 * Publication: who is primary of what, and whose copies are complete. A member pushes its table to the others when it changes, gossip carries the
 * number of its version, and whoever hears of a newer one than it holds fetches it, around a cut link if need be, and until it has it. The floor of the last flush travels with it, so that a member which
 * the flush did not reach hears of it when it is back; and where the streams of members ended that were held to be gone (`ledger.ts`).
 */
import { SlotSet } from '../lib/slot-set.ts'
import type { Stamp } from '../lib/version.ts'
import type { Term } from '../placement/index.ts'
import type { Context } from './context.ts'
import type { StreamEnd } from './ledger.ts'
import { decodeTable, encodeTable, KIND_TABLE, KIND_TABLE_GET } from './messages.ts'
import type { PeerIdentity } from './peers.ts'

/** Changes of completeness are published at most this often; changes of primaries at the end of the turn. */
const PUBLISH_MS = 200
/** A table that gossip says is newer than ours: time for the pushed copy to arrive before it is fetched. */
const FETCH_AFTER_MS = 100
const FETCH_TIMEOUT_MS = 1000
/** After a fetch that brought nothing. */
const FETCH_AGAIN_MS = 1000

/** What is known of a peer's table. */
export interface PeerTable {
  readonly generation: number
  readonly version: number
  readonly primaryVersion: number
  readonly primary: SlotSet
  readonly complete: SlotSet
}

interface AwaitedTable {
  peer: PeerIdentity
  version: number
}

export interface PublicationEvents {
  /** A peer says that it holds slots under a term: of a table that came, all but those of which that is what this member acts on. */
  holds(slots: SlotSet, term: Term): void
  /** A peer says that everything up to this stamp is gone. */
  floor(floor: Stamp): void
  /** Where the streams of members ended that were held to be gone, for all that is known here. */
  ends(): readonly StreamEnd[]
  /** A peer says where one ended. */
  ended(end: StreamEnd): void
  /** A table has been read: routes may have changed. */
  heard(): void
  /** This member's table has a new version. */
  published(version: number): void
}

export class Publication {
  readonly #context: Context
  readonly #events: PublicationEvents
  readonly #peers = new Map<string, PeerTable>()
  /** By name: the newest version that gossip has told of a table that is not here, and that is being fetched. */
  readonly #awaited = new Map<string, AwaitedTable>()
  #closed = false
  #version = 1
  #dueNow = false
  #dueLater = false

  constructor(context: Context, events: PublicationEvents) {
    this.#context = context
    this.#events = events
    const { calls } = context
    calls.onOpen((peer) => calls.tell(peer.name, KIND_TABLE, this.#encoded()))
    calls.handle(KIND_TABLE, (from, body) => this.#read(from, body))
    calls.handle(KIND_TABLE_GET, (_from, _body, respond) => respond?.(this.#encoded()))
  }

  /** Of this member's own table. */
  get version(): number {
    return this.#version
  }

  /** The table that this life of a peer has published last. */
  of(name: string, generation: number | undefined): PeerTable | undefined {
    const table = this.#peers.get(name)
    return table?.generation === generation ? table : undefined
  }

  /** Gossip says that a peer's table has this version. */
  announced(peer: PeerIdentity, version: number): void {
    if (this.#has(peer, version)) return
    const awaited = this.#awaited.get(peer.name)
    if (awaited !== undefined) {
      awaited.peer = peer
      awaited.version = version
      return
    }
    const fresh = { peer, version }
    this.#awaited.set(peer.name, fresh)
    this.#fetchAfter(FETCH_AFTER_MS, fresh)
  }

  #fetchAfter(ms: number, awaited: AwaitedTable): void {
    const { clock, view } = this.#context
    clock.after(ms, () => {
      const { peer, version } = awaited
      if (this.#closed || this.#awaited.get(peer.name) !== awaited) return
      if (this.#has(peer, version) || !view().isPresent(peer.name, peer.generation)) this.#awaited.delete(peer.name)
      else this.#get(peer, (read) => this.#fetchAfter(read ? FETCH_AFTER_MS : FETCH_AGAIN_MS, awaited))
    })
  }

  /** Asks a peer for its table. Calls back when it has been read; not at all when there is no answer. */
  fetch(peer: PeerIdentity, done: () => void): void {
    this.#get(peer, (read) => {
      if (read) done()
    })
  }

  /** Calls back once, with whether a table came and was no nonsense. */
  #get(peer: PeerIdentity, done: (read: boolean) => void): void {
    this.#context.around.call(peer.name, KIND_TABLE_GET, Buffer.alloc(0), FETCH_TIMEOUT_MS, (failure, body) => {
      if (this.#closed) return
      let read = false
      try {
        if (failure === null && body !== null) {
          this.#read(peer, body)
          read = true
        }
      } finally {
        done(read)
      }
    })
  }

  forget(name: string): void {
    this.#peers.delete(name)
  }

  /** This member's table has changed; `primaries`: who serves what, and not only what is complete. */
  changed(primaries: boolean): void {
    const { clock } = this.#context
    if (primaries) {
      if (this.#dueNow) return
      this.#dueNow = true
      clock.soon(() => this.#publish())
    } else if (!this.#dueLater) {
      this.#dueLater = true
      clock.after(PUBLISH_MS, () => {
        this.#dueLater = false
        this.#publish()
      })
    }
  }

  close(): void {
    this.#closed = true
  }

  #publish(): void {
    if (this.#closed) return
    this.#dueNow = false
    this.#version++
    const body = this.#encoded()
    for (const member of this.#context.view().present()) this.#context.calls.tell(member.name, KIND_TABLE, body)
    this.#events.published(this.#version)
  }

  #encoded(): Buffer {
    const { store, table } = this.#context
    return encodeTable({
      version: this.#version,
      floor: store.floor,
      primaryVersion: table.primaryVersion,
      complete: table.completeSet(),
      primaries: table.primariesByTerm(),
      ends: this.#events.ends(),
    })
  }

  #read(from: PeerIdentity, body: Buffer): void {
    const { version, primaryVersion, floor, complete, primaries, ends } = decodeTable(body)
    if (this.#has(from, version)) return
    this.#events.floor(floor)
    for (const end of ends) this.#events.ended(end)
    const { table } = this.#context
    const primary = new SlotSet()
    table.together(() => {
      for (const [term, slots] of primaries) {
        primary.addAll(slots)
        const news = this.#news(term, slots)
        if (news.size > 0) this.#events.holds(news, term)
      }
    })
    this.#peers.set(from.name, { generation: from.generation, version, primaryVersion, primary, complete })
    const awaited = this.#awaited.get(from.name)
    if (awaited !== undefined && this.#has(awaited.peer, awaited.version)) this.#awaited.delete(from.name)
    this.#events.heard()
  }

  /** Most are known, and have been for long: a term that came before is the same object. But a heir's word is waited for where a slot was granted away. */
  #news(term: Term, slots: SlotSet): SlotSet {
    const { table } = this.#context
    const news = slots.copy()
    for (const slot of slots) if (table.term(slot) === term) news.delete(slot)
    return news.addAll(table.engaged.copy().retainAll(slots))
  }

  #has(peer: PeerIdentity, version: number): boolean {
    const held = this.#peers.get(peer.name)
    if (held === undefined) return false
    return held.generation > peer.generation || (held.generation === peer.generation && held.version >= version)
  }
}
