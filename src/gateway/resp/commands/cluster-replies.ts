/**
 * The picture of the cluster in the shapes that Redis 7 has for it: CLUSTER SLOTS, SHARDS, NODES and INFO.
 *
 * Every member serves some slots and copies others, so all are masters, and only SLOTS, which tells of single ranges, names copies: complete ones.
 * Addresses are those of the faces for cluster clients. Slots are scattered, so SLOTS takes some 2 MB with three members: it is rendered once for each
 * picture and protocol, however many clients ask.
 */
import { createHash } from 'node:crypto'
import type { ClusterMember, Picture, SlotRange } from '../../../cache/cache.ts'
import { SLOT_COUNT } from '../../../lib/slot.ts'
import { type Protocol, ReplyWriter } from '../reply-writer.ts'

const SLAB_BYTES = 64 * 1024
const HEALTH: Readonly<Record<ClusterMember['state'], string>> = { alive: 'online', suspect: 'online', dead: 'failed', left: 'failed' }
const FLAGS: Readonly<Record<ClusterMember['state'], string>> = { alive: '', suspect: ',fail?', dead: ',fail', left: ',fail' }

/** 40 hexadecimal digits that stand for a member, whatever its life and address. */
export function nodeId(name: string): string {
  return createHash('sha1').update(name).digest('hex')
}

/** The bytes of a whole reply. */
type Render = (reply: ReplyWriter, picture: Picture) => void

/** One rendering of one picture, for each protocol. */
export class RenderedReply {
  readonly #render: Render
  readonly #bytes = new WeakMap<Picture, Map<Protocol, Buffer>>()

  constructor(render: Render) {
    this.#render = render
  }

  write(reply: ReplyWriter, picture: Picture): void {
    let byProtocol = this.#bytes.get(picture)
    if (byProtocol === undefined) {
      byProtocol = new Map()
      this.#bytes.set(picture, byProtocol)
    }
    let bytes = byProtocol.get(reply.protocol)
    if (bytes === undefined) {
      bytes = this.#rendered(reply.protocol, picture)
      byProtocol.set(reply.protocol, bytes)
    }
    reply.raw(bytes)
  }

  #rendered(protocol: Protocol, picture: Picture): Buffer {
    const chunks: Buffer[] = []
    const take = (buffer: Buffer, end: number): boolean => {
      chunks.push(Buffer.from(buffer.subarray(0, end)))
      return true
    }
    const writer = new ReplyWriter({ take }, SLAB_BYTES)
    writer.protocol = protocol
    this.#render(writer, picture)
    writer.flush()
    return Buffer.concat(chunks)
  }
}

export const SLOTS = new RenderedReply((reply, { members, ranges }) => {
  const nodes = new Map(members.filter(isReachable).map((member) => [member.name, renderNode(reply.protocol, member)]))
  const served = ranges.filter(({ holder }) => holder !== null && nodes.has(holder))
  reply.array(served.length)
  for (const { from, to, holder, copies } of served) {
    const others = copies.filter(({ name, complete }) => complete && nodes.has(name))
    reply.array(3 + others.length)
    reply.integer(from)
    reply.integer(to)
    reply.raw(nodes.get(holder as string) as Buffer)
    for (const { name } of others) reply.raw(nodes.get(name) as Buffer)
  }
})

export const SHARDS = new RenderedReply((reply, picture) => {
  const members = picture.members.filter(isShown)
  const shares = sharesOf(picture.ranges)
  reply.array(members.length)
  for (const member of members) {
    const share = shares.get(member.name) ?? []
    reply.map(2)
    reply.text('slots')
    reply.array(share.length * 2)
    for (const [from, to] of share) {
      reply.integer(from)
      reply.integer(to)
    }
    reply.text('nodes')
    reply.array(1)
    reply.map(member.zone === '' ? 7 : 8)
    reply.text('id')
    reply.text(nodeId(member.name))
    reply.text('port')
    reply.integer(member.ports.cluster)
    reply.text('ip')
    reply.text(member.host)
    reply.text('endpoint')
    reply.text(member.host)
    reply.text('role')
    reply.text('master')
    reply.text('replication-offset')
    reply.integer(member.tableVersion)
    reply.text('health')
    reply.text(share.length === 0 && member.state === 'alive' ? 'loading' : HEALTH[member.state])
    if (member.zone === '') continue
    // As Valkey has it.
    reply.text('availability-zone')
    reply.text(member.zone)
  }
})

export const NODES = new RenderedReply((reply, picture) => {
  const shares = sharesOf(picture.ranges)
  const lines = picture.members.filter(isShown).map((member, i) => {
    const { name, state, host, ports, gossipAddress, tableVersion } = member
    const flags = `${i === 0 ? 'myself,' : ''}master${FLAGS[state]}`
    const link = state === 'dead' ? 'disconnected' : 'connected'
    const slots = (shares.get(name) ?? []).map(([from, to]) => (from === to ? ` ${from}` : ` ${from}-${to}`)).join('')
    const busPort = gossipAddress.slice(gossipAddress.lastIndexOf(':') + 1)
    return `${nodeId(name)} ${host}:${ports.cluster}@${busPort} ${flags} - 0 0 ${tableVersion} ${link}${slots}\n`
  })
  reply.verbatim('txt', lines.join(''))
})

export const INFO = new RenderedReply((reply, { version, members, ranges }) => {
  const states = new Map(members.map(({ name, state }) => [name, state]))
  let assigned = 0
  let doubted = 0
  for (const { from, to, holder } of ranges) {
    if (holder === null) continue
    assigned += to - from + 1
    if (states.get(holder) === 'suspect') doubted += to - from + 1
  }
  const fields: readonly (readonly [string, string | number])[] = [
    ['cluster_state', assigned === SLOT_COUNT ? 'ok' : 'fail'],
    ['cluster_slots_assigned', assigned],
    ['cluster_slots_ok', assigned - doubted],
    ['cluster_slots_pfail', doubted],
    ['cluster_slots_fail', 0],
    ['cluster_known_nodes', members.filter(isShown).length],
    ['cluster_size', new Set(ranges.map(({ holder }) => holder).filter((holder) => holder !== null)).size],
    ['cluster_current_epoch', version],
    ['cluster_my_epoch', version],
  ]
  reply.verbatim('txt', fields.map(([name, value]) => `${name}:${value}\r\n`).join(''))
})

/** One that left is nobody's concern. */
function isShown({ state }: ClusterMember): boolean {
  return state !== 'left'
}

function isReachable({ state, ports }: ClusterMember): boolean {
  return (state === 'alive' || state === 'suspect') && ports.cluster !== 0
}

function renderNode(protocol: Protocol, { name, host, ports }: ClusterMember): Buffer {
  const hostBytes = Buffer.byteLength(host)
  const noMetadata = protocol === 3 ? '%0' : '*0'
  return Buffer.from(`*4\r\n$${hostBytes}\r\n${host}\r\n:${ports.cluster}\r\n$40\r\n${nodeId(name)}\r\n${noMetadata}\r\n`)
}

/** What each member serves, as first and last slots. */
function sharesOf(ranges: readonly SlotRange[]): Map<string, [from: number, to: number][]> {
  const shares = new Map<string, [number, number][]>()
  for (const { from, to, holder } of ranges) {
    if (holder === null) continue
    const share = shares.get(holder) ?? []
    shares.set(holder, share)
    const last = share.at(-1)
    if (last !== undefined && last[1] === from - 1) last[1] = to
    else share.push([from, to])
  }
  return shares
}
