/**
 * Positions in a walk over slots: small numbers, in ascending order, that mean the same on every member. A slot has 4,096 of them, and a key has that of
 * 12 bits of its hash: for ever, wherever its slot is served.
 */
import { SLOT_COUNT } from '../lib/slot.ts'

/** Positions of one slot. */
export const PARTS = 4096
/** Behind the last. */
export const END = SLOT_COUNT * PARTS

export function slotAt(position: number): number {
  return Math.floor(position / PARTS)
}

/** Of a key of that slot: by the top bits of FNV-1a (Fowler, Noll, Vo). */
export function positionOf(slot: number, key: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (key[i] as number), 0x01000193)
  // Mixed once more: the top bits of a short key's hash are hardly touched.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return slot * PARTS + (hash >>> 20)
}
