/**
 * Topology: who is there, and who serves what, as the member that is asked sees it. Faces show it to clients and lead them by it; they know no more
 * of the cluster than this.
 *
 * What changes with routes alone (members, holders, copies) is one picture with a version: whoever renders it keeps what was rendered until the
 * version is another. Figures change all the time, are asked of every member when somebody wants them, and are kept by nobody.
 */
import type { CacheError } from '../lib/errors.ts'
import type { FacePorts } from '../lib/face-ports.ts'

export type MemberState = 'alive' | 'suspect' | 'dead' | 'left'

export interface ClusterMember {
  readonly name: string
  readonly generation: number
  readonly incarnation: number
  readonly state: MemberState
  /** It gives away what it holds, and still answers. */
  readonly leaving: boolean
  /** Empty where it was not told. */
  readonly zone: string
  /** Where peers and clients reach it; an IPv6 address has no brackets. */
  readonly host: string
  readonly gossipAddress: string
  readonly peerAddress: string
  /** 0 for a face that is not known to listen. */
  readonly ports: FacePorts
  /** Of what it publishes of its slots. */
  readonly tableVersion: number
}

/** A copy of a slot beside its holder's. */
export interface Copy {
  readonly name: string
  /** It holds all that was written. Exact where the holder is asked; elsewhere as the copy's member has published it, some 200 ms ago at most. */
  readonly complete: boolean
}

/** Neighbouring slots that one member serves and the same others copy. */
export interface SlotRange {
  readonly from: number
  /** Included. */
  readonly to: number
  /** `null` while nobody is known to serve them. */
  readonly holder: string | null
  /** The holder took them while it saw no more than half of the members. */
  readonly weak: boolean
  readonly copies: readonly Copy[]
}

export interface Picture {
  readonly version: number
  /** The member that was asked comes first. */
  readonly members: readonly ClusterMember[]
  /** In ascending order; together they are all slots. With three members there are some eleven thousand, as the ring scatters slots. */
  readonly ranges: readonly SlotRange[]
}

/** The replication from a member to one other. */
export interface FollowerFigures {
  readonly name: string
  /** Time since it confirmed anything, while something waits to be confirmed; else 0. */
  readonly lagMs: number
  readonly backlogBytes: number
  /** Slots that it follows and does not hold completely. */
  readonly incompleteSlots: number
}

/** What a member says of itself when it is asked. */
/** The ledger of lost writes of one member. */
export interface LossFigures {
  /** Accepted here and known to be lost: beaten by writes that had not seen them, taken along by a stop, given up below a tombstone mark or for want of room. */
  readonly conflict: number
  readonly stop: number
  readonly discarded: number
  /** What primaries that are gone may have taken along, of slots claimed here. */
  readonly atLeast: number
  readonly atMost: number
  /** The longest time from the last that was heard of one of them to the claim, in ms. */
  readonly windowMs: number
}

export interface MemberFigures {
  readonly ready: boolean
  readonly primarySlots: number
  /** Those it is primary of included. */
  readonly completeSlots: number
  /** Copies included, tombstones apart. */
  readonly entries: number
  readonly bytes: number
  readonly maxBytes: number
  /** Sum of the digests of the slots it is primary of, 16 hexadecimal digits: the same for the same slots with the same entries. */
  readonly digest: string
  readonly followers: readonly FollowerFigures[]
  readonly lost: LossFigures
}

export interface MemberReport {
  readonly name: string
  readonly state: MemberState
  readonly leaving: boolean
  readonly zone: string
  readonly generation: number
  readonly incarnation: number
  readonly tableVersion: number
  /** `null` for a face that is not known to listen. */
  readonly addresses: Readonly<Record<'gossip' | 'peer' | 'http' | 'resp' | 'cluster' | 'text' | 'grpc', string | null>>
  /** How many it serves. */
  readonly slots: number
  /** Of these, such as it took while it saw no more than half of the members. */
  readonly weakSlots: number
  /** First and last slot of each range it serves; where they were asked for. */
  readonly ranges?: readonly (readonly [from: number, to: number])[]
  /** `null` for a member that did not answer within a second. */
  readonly figures: MemberFigures | null
}

export interface ClusterReport {
  /** The member whose view this is. */
  readonly seenBy: string
  readonly version: number
  readonly slots: number
  /** Slots that nobody is known to serve. */
  readonly unservedSlots: number
  /** Slots of which there is no complete copy beside the holder's. */
  readonly uncopiedSlots: number
  readonly members: readonly MemberReport[]
}

export type Joining =
  /** The member at this address is there. */
  | 'met'
  /** It is asked from now on. */
  | 'asked'
  /** That is no `host:port`. */
  | 'malformed'

export interface Topology {
  /** Another one whenever the picture may be another. Never falls. */
  readonly version: number
  /** The name of the member that is asked. */
  readonly self: string

  /** The same object while the version is the same. While that changes all the time the picture may be 100 ms old; to draw it takes some 10 ms. */
  picture(): Picture

  /** A member by its name, this one included. */
  member(name: string): ClusterMember | undefined

  /**
   * Where a client had better go with the slot: `here`, or the name of a live member that serves it. `null` while that is in doubt, or about to change: a
   * request made here waits and is answered.
   */
  seat(slot: number): 'here' | string | null

  /** The member to which this one has granted the slot, which has not been heard to have taken it; `null`: it is not on its way. */
  heir(slot: number): string | null

  /** Whether a complete copy of the slot is here. */
  hasCopy(slot: number): boolean

  /** How many keys of the slot are held here, as copies too; such as have expired unnoticed count. */
  keysHere(slot: number): number

  /** Up to `count` of them, in no order; without expired ones. */
  listKeysHere(slot: number, count: number): Buffer[]

  /** The picture with the figures of every live member, which takes a second at most. `withRanges`: tell which slots each serves, some 100 KiB in all. */
  report(withRanges: boolean, done: (report: ClusterReport) => void): void

  /** From now on the gossip address `host:port` is one of those that are asked for members. At most 64 of them; the oldest makes room. */
  join(address: string): Joining

  /**
   * Has the member with this name, or with this address on any of its ports, leave for good: it hands over all it holds, is given nothing more, and
   * answers until it is stopped. `done` gets its name, or `null` when it was only an address that is asked no longer. `MEMBER_NOT_FOUND`, `TRY_AGAIN`.
   */
  retire(member: string, done: (error: CacheError | null, name: string | null) => void): void
}
