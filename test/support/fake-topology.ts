/** What the faces are told of a cluster, as a test writes it down; and a roster of just one member, for caches that need one. */
import { clusterReport } from '../../src/cache/cluster-report.ts'
import type { Roster } from '../../src/cache/roster.ts'
import type { ClusterMember, ClusterReport, Joining, MemberFigures, Picture, SlotRange, Topology } from '../../src/cache/topology.ts'
import type { CacheError } from '../../src/lib/errors.ts'
import { SLOT_COUNT } from '../../src/lib/slot.ts'

export function clusterMember(name: string, change: Partial<ClusterMember> = {}): ClusterMember {
  return {
    name,
    generation: 1,
    incarnation: 0,
    state: 'alive',
    leaving: false,
    zone: '',
    host: `host-${name}`,
    gossipAddress: `host-${name}:7946`,
    peerAddress: `host-${name}:7947`,
    ports: { http: 8080, resp: 6379, cluster: 6380, text: 31_337, grpc: 50_051 },
    tableVersion: 1,
    ...change,
  }
}

export function memberFigures(change: Partial<MemberFigures> = {}): MemberFigures {
  return {
    ready: true,
    primarySlots: SLOT_COUNT,
    completeSlots: SLOT_COUNT,
    entries: 3,
    bytes: 1000,
    maxBytes: 1_000_000,
    digest: '0123456789abcdef',
    followers: [],
    lost: { conflict: 0, stop: 0, discarded: 0, atLeast: 0, atMost: 0, windowMs: 0 },
    ...change,
  }
}

const ALL_HERE: readonly SlotRange[] = [{ from: 0, to: SLOT_COUNT - 1, holder: 'fake', weak: false, copies: [] }]

export class FakeTopology implements Topology {
  version = 1
  self = 'fake'
  members: readonly ClusterMember[] = [clusterMember('fake')]
  ranges: readonly SlotRange[] = ALL_HERE
  /** By slot; `here` for the others. */
  readonly seats = new Map<number, 'here' | string | null>()
  readonly heirs = new Map<number, string>()
  readonly copiesHere = new Set<number>()
  readonly keys = new Map<number, readonly Buffer[]>()
  /** Members that answer when they are asked. */
  answers: ReadonlyMap<string, MemberFigures> = new Map([['fake', memberFigures()]])
  /** What was asked of it, and what it answers. */
  readonly joined: string[] = []
  joining: Joining = 'asked'
  readonly retired: string[] = []
  refusal: CacheError | null = null
  retiredName: string | null = 'fake'
  #picture: Picture | null = null

  picture(): Picture {
    const { version, members, ranges } = this
    const last = this.#picture
    if (last?.version !== version || last.members !== members || last.ranges !== ranges) this.#picture = { version, members, ranges }
    return this.#picture as Picture
  }

  member(name: string): ClusterMember | undefined {
    return this.members.find((member) => member.name === name)
  }

  seat(slot: number): 'here' | string | null {
    const seat = this.seats.get(slot)
    return seat === undefined ? 'here' : seat
  }

  heir(slot: number): string | null {
    return this.heirs.get(slot) ?? null
  }

  hasCopy(slot: number): boolean {
    return this.copiesHere.has(slot)
  }

  keysHere(slot: number): number {
    return this.keys.get(slot)?.length ?? 0
  }

  listKeysHere(slot: number, count: number): Buffer[] {
    return this.keys.get(slot)?.slice(0, count) ?? []
  }

  report(withRanges: boolean, done: (report: ClusterReport) => void): void {
    done(clusterReport(this.picture(), this.answers, withRanges))
  }

  join(address: string): Joining {
    this.joined.push(address)
    return this.joining
  }

  retire(member: string, done: (error: CacheError | null, name: string | null) => void): void {
    this.retired.push(member)
    done(this.refusal, this.refusal === null ? this.retiredName : null)
  }
}

/** Of a member that is alone. */
export function loneRoster(name: string): Roster {
  return {
    version: '',
    members: () => [clusterMember(name)],
    copies: () => () => [],
    isComplete: () => true,
    isMoving: () => false,
    lost: () => memberFigures().lost,
    followers: () => [],
    ready: () => true,
    join: () => 'asked',
    forget: () => false,
    retire: () => {},
  }
}
