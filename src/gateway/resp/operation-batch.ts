/**
 * Operations of one command that are executed each by itself, wherever its key is: as many at a time as may be, those of one slot one after the other,
 * so that they happen in the order in which they were written. Few are begun at once; many in slices, between which others have their turn.
 */
import type { Cache } from '../../cache/cache.ts'
import { OPERATION_GET, type Operation, type Outcome } from '../../cache/operation.ts'
import type { Clock } from '../../lib/clock.ts'
import type { CacheError } from '../../lib/errors.ts'
import { slotOf } from '../../lib/slot.ts'

const MAX_IN_FLIGHT = 128
/** As many are begun before others have their turn. */
const SLICE = 500

/** How much an error says of what was changed, from the least on. */
const TOUCHED = ['no', 'maybe', 'yes'] as const

/**
 * `done` is called once, when all are answered; with the first of the errors that leave most changed, the kind of operation that met it, and whether
 * another of the operations has written something.
 */
export function executeEach(
  cache: Cache,
  clock: Clock,
  operations: readonly Operation[],
  each: (index: number, outcome: Outcome) => void,
  done: (error: CacheError | null, operation: number, partly: boolean) => void,
): void {
  const slots = new Set<number>()
  let next = 0
  let failed: CacheError | null = null
  let failedOperation = OPERATION_GET
  let partly = false
  let starting = false
  let resting = false
  let finished = false
  const start = (): void => {
    starting = true
    const sliceEnd = next + SLICE
    while (next < operations.length && slots.size < MAX_IN_FLIGHT) {
      if (next === sliceEnd) {
        resting = true
        clock.soon(goOn)
        break
      }
      const index = next
      const operation = operations[index] as Operation
      const slot = slotOf(operation.key, operation.keyStart, operation.keyEnd)
      if (slots.has(slot)) break
      next++
      slots.add(slot)
      cache.execute(operation, (error, outcome) => {
        slots.delete(slot)
        if (outcome !== null) {
          partly ||= outcome.written
          each(index, outcome)
        }
        if (error !== null && (failed === null || weightOf(error) > weightOf(failed))) {
          failed = error
          failedOperation = operation.code
        }
        if (!starting && !resting) start()
      })
    }
    starting = false
    if (finished || next < operations.length || slots.size > 0) return
    finished = true
    done(failed, failedOperation, partly)
  }
  const goOn = (): void => {
    resting = false
    start()
  }
  start()
}

function weightOf(error: CacheError): number {
  return TOUCHED.indexOf(error.row.touched)
}
