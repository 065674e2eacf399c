/** Asking one member which term, copy, position and tombstone mark it has of some slots. */
import type { SlotSet } from '../lib/slot-set.ts'
import { decodeHoldings, encodeSlots, type Holding, KIND_QUERY } from './messages.ts'
import type { PeerCalls } from './peers.ts'

/** What a living member takes at most to answer. */
export const QUERY_TIMEOUT_MS = 1000

/** Calls back once, with `null` when there is no answer within `timeoutMs`. */
export function queryHoldings(
  calls: Pick<PeerCalls, 'call'>,
  name: string,
  slots: SlotSet,
  timeoutMs: number,
  done: (holdings: ReadonlyMap<number, Holding> | null) => void,
): void {
  calls.call(name, KIND_QUERY, encodeSlots(slots), timeoutMs, (failure, body) => {
    done(failure === null && body !== null ? decodeHoldings(body) : null)
  })
}
