/**
 * Cluster report: a picture and the figures of all members, put together.
 */
import { SLOT_COUNT } from '../lib/slot.ts'
import type { ClusterMember, ClusterReport, MemberFigures, MemberReport, Picture } from './topology.ts'

/** `figures` by name; without those of members that did not answer. */
export function clusterReport(picture: Picture, figures: ReadonlyMap<string, MemberFigures>, withRanges: boolean): ClusterReport {
  const { version, members, ranges } = picture
  const shares = new Map<string | null, Share>()
  let uncopiedSlots = 0
  for (const { from, to, holder, weak, copies } of ranges) {
    const share = shares.get(holder) ?? { slots: 0, weakSlots: 0, ranges: [] }
    shares.set(holder, share)
    const slots = to - from + 1
    share.slots += slots
    if (weak) share.weakSlots += slots
    if (!copies.some(({ complete }) => complete)) uncopiedSlots += slots
    const last = share.ranges.at(-1)
    if (last !== undefined && last[1] === from - 1) last[1] = to
    else share.ranges.push([from, to])
  }
  return {
    seenBy: members[0]?.name ?? '',
    version,
    slots: SLOT_COUNT,
    unservedSlots: shares.get(null)?.slots ?? 0,
    uncopiedSlots,
    members: members.map((member) => memberReport(member, shares.get(member.name), withRanges, figures.get(member.name) ?? null)),
  }
}

interface Share {
  slots: number
  weakSlots: number
  readonly ranges: [number, number][]
}

function memberReport(member: ClusterMember, share: Share | undefined, withRanges: boolean, figures: MemberFigures | null): MemberReport {
  const { name, state, leaving, zone, generation, incarnation, tableVersion, host, gossipAddress, peerAddress, ports } = member
  const face = (port: number): string | null => (port === 0 ? null : faceAddress(host, port))
  return {
    name,
    state,
    leaving,
    zone,
    generation,
    incarnation,
    tableVersion,
    addresses: {
      gossip: gossipAddress,
      peer: peerAddress,
      http: face(ports.http),
      resp: face(ports.resp),
      cluster: face(ports.cluster),
      text: face(ports.text),
      grpc: face(ports.grpc),
    },
    slots: share?.slots ?? 0,
    weakSlots: share?.weakSlots ?? 0,
    ...(withRanges ? { ranges: share?.ranges ?? [] } : {}),
    figures,
  }
}

/** As clients write it. */
export function faceAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
