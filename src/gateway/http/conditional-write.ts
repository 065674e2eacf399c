/**
 * Conditional write: a write that happens only if the version that is there meets `If-Match` and `If-None-Match`.
 *
 * The headers may name many versions, an operation one: so the version is read and judged here, and the write asks for exactly what was read. Where
 * somebody else wrote in between, both are done again. What was judged is what is replaced, or nothing is written.
 */
import type { Cache } from '../../cache/cache.ts'
import { HEAD, IF_ABSENT, IF_VERSION, OPERATION_DELETE, OPERATION_GET, Operation, UNTOUCHED } from '../../cache/operation.ts'
import { CacheError } from '../../lib/errors.ts'
import { formatEntityTag, meetsIfMatch, meetsIfNoneMatch, type Preconditions } from './entity-tag.ts'

/** Of reading and writing, before a client is told to come again: others write the key faster than it can be judged. */
const MAX_ATTEMPTS = 10

/** `tag` is that of the value after the write; `null` when there is none. */
export type WriteDone = (error: CacheError | null, tag: string | null) => void

/** `operation` is a SET or a DELETE without a condition of its own; its bytes must stay until `done` was called. */
export function writeIf(cache: Cache, operation: Operation, preconditions: Preconditions, done: WriteDone): void {
  if (preconditions.ifMatch === null && preconditions.ifNoneMatch === null) write(cache, operation, done, () => done(null, null))
  else attempt(cache, operation, preconditions, MAX_ATTEMPTS, done)
}

function attempt(cache: Cache, operation: Operation, preconditions: Preconditions, attempts: number, done: WriteDone): void {
  const look = new Operation().setKey(operation.key, operation.keyStart, operation.keyEnd)
  look.flags = HEAD | UNTOUCHED
  look.code = OPERATION_GET
  cache.execute(look, (error, found) => {
    if (error !== null || found === null) {
      done(error, null)
      return
    }
    const current = found.existed ? formatEntityTag(found) : null
    if (!meetsIfMatch(preconditions, current) || !meetsIfNoneMatch(preconditions, current)) {
      done(
        new CacheError(
          'PRECONDITION_FAILED',
          current === null ? 'no value is stored under the key' : `the value has the version ${current}`,
        ),
        null,
      )
      return
    }
    if (current === null && operation.code === OPERATION_DELETE) {
      done(null, null)
      return
    }
    operation.condition = current === null ? IF_ABSENT : IF_VERSION
    operation.setVersion(found.ms, found.counter, found.writer)
    write(cache, operation, done, () => {
      if (attempts > 1) attempt(cache, operation, preconditions, attempts - 1, done)
      else done(new CacheError('TRY_AGAIN', 'others write the key too often for its version to be judged'), null)
    })
  })
}

function write(cache: Cache, operation: Operation, done: WriteDone, unwritten: () => void): void {
  cache.execute(operation, (error, outcome) => {
    if (error !== null || outcome === null) done(error, null)
    else if (outcome.written) done(null, operation.code === OPERATION_DELETE ? null : formatEntityTag(outcome))
    else unwritten()
  })
}
