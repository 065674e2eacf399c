/**
 * What members ask each other to tell of the cluster. Fields after the last one known here are ignored.
 */
import { ByteReader, ByteWriter } from '../lib/bytes.ts'
import type { FollowerFigures, MemberFigures } from './topology.ts'

/** Call: how are you? */
export const KIND_FIGURES = 40
/** Call: leave for good. */
export const KIND_RETIRE = 41

const MAX_LAG_MS = 0xffffffff

export function encodeFigures(figures: MemberFigures): Buffer {
  const { ready, primarySlots, completeSlots, entries, bytes, maxBytes, digest, followers, lost } = figures
  const writer = new ByteWriter(256)
    .u8(ready ? 1 : 0)
    .u16(primarySlots)
    .u16(completeSlots)
    .u48(entries)
    .u48(bytes)
    .u48(maxBytes)
    .raw(Buffer.from(digest, 'hex'))
    .u16(followers.length)
  for (const { name, lagMs, backlogBytes, incompleteSlots } of followers) {
    writer
      .text(name)
      .u32(Math.min(Math.round(lagMs), MAX_LAG_MS))
      .u48(backlogBytes)
      .u16(incompleteSlots)
  }
  return writer
    .u48(lost.conflict)
    .u48(lost.stop)
    .u48(lost.discarded)
    .u48(lost.atLeast)
    .u48(lost.atMost)
    .u32(Math.min(Math.round(lost.windowMs), MAX_LAG_MS))
    .toBuffer()
}

/** Throws `MalformedError`. */
export function decodeFigures(body: Buffer): MemberFigures {
  const reader = new ByteReader(body)
  return {
    ready: reader.u8() === 1,
    primarySlots: reader.u16(),
    completeSlots: reader.u16(),
    entries: reader.u48(),
    bytes: reader.u48(),
    maxBytes: reader.u48(),
    digest: Buffer.from(reader.raw(8)).toString('hex'),
    followers: readFollowers(reader),
    // A member of an earlier version has no ledger.
    lost: reader.remaining > 0 ? readLost(reader) : NOTHING_LOST,
  }
}

const NOTHING_LOST: MemberFigures['lost'] = { conflict: 0, stop: 0, discarded: 0, atLeast: 0, atMost: 0, windowMs: 0 }

function readLost(reader: ByteReader): MemberFigures['lost'] {
  return {
    conflict: reader.u48(),
    stop: reader.u48(),
    discarded: reader.u48(),
    atLeast: reader.u48(),
    atMost: reader.u48(),
    windowMs: reader.u32(),
  }
}

function readFollowers(reader: ByteReader): FollowerFigures[] {
  const count = reader.u16()
  const followers: FollowerFigures[] = []
  for (let i = 0; i < count; i++) {
    followers.push({ name: reader.text(), lagMs: reader.u32(), backlogBytes: reader.u48(), incompleteSlots: reader.u16() })
  }
  return followers
}
