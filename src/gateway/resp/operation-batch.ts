/**
 * Operations of one command that are executed each by itself, wherever its key is: as many at a time as may be, those of one slot one after the other,
 * so that they happen in the order in which they were written.
 */
import type { Cache } from '../../cache/cache.ts'
import { OPERATION_GET, type Operation, type Outcome } from '../../cache/operation.ts'
import type { CacheError } from '../../lib/errors.ts'
import { slotOf } from '../../lib/slot.ts'

const MAX_IN_FLIGHT = 128

/** `done` is called once, when all are answered; with the first error, and the kind of operation that met it. */
export function executeEach(
  cache: Cache,
  operations: readonly Operation[],
  each: (index: number, outcome: Outcome) => void,
  done: (error: CacheError | null, operation: number) => void,
): void {
  const slots = new Set<number>()
  let next = 0
  let failed: CacheError | null = null
  let failedOperation = OPERATION_GET
  let starting = false
  let finished = false
  const start = (): void => {
    starting = true
    while (next < operations.length && slots.size < MAX_IN_FLIGHT) {
      const index = next
      const operation = operations[index] as Operation
      const slot = slotOf(operation.key, operation.keyStart, operation.keyEnd)
      if (slots.has(slot)) break
      next++
      slots.add(slot)
      cache.execute(operation, (error, outcome) => {
        slots.delete(slot)
        if (outcome !== null) each(index, outcome)
        if (error !== null && failed === null) {
          failed = error
          failedOperation = operation.code
        }
        if (!starting) start()
      })
    }
    starting = false
    if (finished || next < operations.length || slots.size > 0) return
    finished = true
    done(failed, failedOperation)
  }
  start()
}
