/**
 * Membership as the rest of the product sees it: who is there, under which generation, and what each of them tells about itself.
 *
 * The interface hides SWIM (see swim.ts): callers read `members()`, hear of changes, and hand in facts that gossip cannot know. An identity is
 * `(name, generation)`; the address is only where to reach it. A larger generation of a name is the death notice of the smaller.
 */
import type { OwnTime, PeerClock } from '../lib/cluster-time.ts'
import type { FacePorts } from '../lib/face-ports.ts'
import type { Address } from '../transport/transport.ts'

/** `left`: stopped in order. `dead`: declared so by gossip, or a fact from Kubernetes. Both are remembered, so that late news cannot revive them. */
export type MemberState = 'alive' | 'suspect' | 'dead' | 'left'

/** What a member tells about itself; travels with gossip, at most `MAX_META_BYTES` encoded. */
export interface MemberMeta {
  /** Where its peers reach its gRPC streams. */
  readonly peerAddress: Address
  /** The pod's UID; empty outside Kubernetes. For equality only. */
  readonly uid: string
  readonly zone: string
  /** It is stopping: hands over now, is given nothing new, still answers. */
  readonly leaving: boolean
  /** It stops for good (scaled away, deregistered): its name leaves the ring at once. */
  readonly forGood: boolean
  /** Version of its table of slots (see replication): a higher one than is held is fetched. */
  readonly tableVersion: number
  readonly protocolMin: number
  readonly protocolMax: number
  /** Where its clients reach it, at the host of its gossip address. */
  readonly facePorts: FacePorts
}

export const MAX_META_BYTES = 512

export interface Member {
  readonly name: string
  readonly generation: number
  readonly incarnation: number
  readonly state: MemberState
  /** Where its gossip is reached. */
  readonly address: Address
  readonly meta: MemberMeta
}

export interface MembershipEvents {
  /**
   * A member is new, changed its state or its meta, or was replaced by a later generation (then first the old one is told as `dead`). Never
   * called for this member itself. `previous` is undefined for a name not known before. Called in a turn of its own input, never from inside a
   * call into `Membership`, except `declareGone`.
   */
  memberChanged(member: Member, previous: Member | undefined): void
  /** A peer held this very life of ours dead and was refuted: what others decided meanwhile is not known here. */
  heldDead(): void
  /** A larger generation of our own name is alive: this life has to end. */
  superseded(): void
}

export interface MembershipStats {
  readonly alive: number
  readonly suspect: number
  readonly dead: number
  readonly left: number
  readonly probesTotal: number
  readonly probeFailuresTotal: number
  readonly suspicionsTotal: number
  readonly refutationsTotal: number
  readonly packetsSentTotal: number
  readonly packetsReceivedTotal: number
  readonly packetsRefusedTotal: number
  /** Packets and exchanges without a code of a key of ours; 0 where there are no keys. */
  readonly packetsForgedTotal: number
  /** Probes answered by a member whose data path hung. */
  readonly hungAnswersTotal: number
  /** Lifeguard's local health, 0 (well) to 7. */
  readonly localHealth: number
}

export interface Membership {
  /** Begins to probe, gossip and join through the seeds. */
  start(): void
  /** Stops timers and sends nothing more; says nothing to the others (see `leave`). */
  close(): void
  /** This member as the others see it. */
  self(): Member
  /** All others that are remembered, in no order, dead and left ones too. */
  members(): readonly Member[]
  member(name: string): Member | undefined
  /** True once a push/pull with anybody has succeeded; stays true. */
  readonly joined: boolean
  /** Addresses to announce to until they are members; replaces the earlier list. Facts about addresses only: nobody is removed by it. */
  setSeeds(addresses: readonly Address[]): void
  /** Changes what we tell about ourselves and gossips it at once (a higher incarnation). */
  updateMeta(change: Partial<MemberMeta>): void
  /** A fact from outside: the life of `name` with this pod UID is over. It binds only that life; nobody can refute it. */
  declareGone(name: string, uid: string): void
  /** Tells everybody `left`, as far as that goes in `timeoutMs`, then calls `done` and is closed. */
  leave(timeoutMs: number, done: () => void): void
  /** The time this member goes by, told with every ack from now on, and nothing of it before. */
  tellTime(time: OwnTime): void
  /** What live peers last said of theirs, half a second ago and a round of probes ago at most. Offsets are from the monotonic time of `Clock.now`. */
  clocks(): readonly PeerClock[]
  /** A connection to this member was refused or broke: probe it now rather than in turn. */
  hintUnreachable(name: string): void
  stats(): MembershipStats
}
