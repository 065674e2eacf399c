/**
 * What replication needs of the store, declared where it is used; `Store` satisfies it.
 */
import type { Entry } from '../lib/entry.ts'
import type { Place } from '../lib/place.ts'
import type { RequestRun } from '../lib/request-run.ts'
import type { Stamp, Version } from '../lib/version.ts'

/** What became of an entry: it is there now, it was, a newer one is, or there was no room. */
export type Applied = 'applied' | 'same' | 'stale' | 'full'

export interface SlotData {
  apply(entry: Entry, nowMs: number, slot?: number, place?: Place): Applied
  findAll(run: RequestRun): void
  placeAt(run: RequestRun, i: number, nowMs: number, place: Place): boolean
  peek(key: Buffer, start: number, end: number, into: Entry, slot?: number): boolean
  touch(key: Buffer, start: number, end: number, nowMs: number, uses: number): void
  sampleUses(every: number, listener: (entry: Entry, slot: number) => void): void
  drop(key: Buffer, start: number, end: number, version: Version): boolean
  scanSlot(slot: number, token: { readonly token: unknown } | null, visit: (entry: Entry) => boolean): { readonly token: unknown } | null
  slotEntries(slot: number): number
  slotLive(slot: number): number
  slotDigest(slot: number): { readonly high: number; readonly low: number }
  dropSlot(slot: number, most: number): number
  readonly floor: Stamp
  raiseFloor(stamp: Stamp, nowMs: number): void
}
