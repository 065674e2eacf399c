/** The door of membership: the interface the product uses, and SWIM behind it. */
export type { Member, MemberMeta, MemberState, Membership, MembershipEvents, MembershipStats } from './membership.ts'
export type { SwimOptions } from './options.ts'
export type { OwnIdentity } from './own-record.ts'
export { Swim, type SwimParts } from './swim.ts'
