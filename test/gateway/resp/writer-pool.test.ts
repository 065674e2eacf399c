/** The slabs of replies: lent to as many as there are, and asked back from those who have had theirs the longest. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ReplySink, ReplyWriter } from '../../../src/gateway/resp/reply-writer.ts'
import { type Borrower, WriterPool } from '../../../src/gateway/resp/writer-pool.ts'

const test = suite('resp: writer pool')

/** A connection, as the pool sees it. */
class Client implements Borrower, ReplySink {
  sent = ''
  writer: ReplyWriter | null = null
  readonly #pool: WriterPool

  constructor(pool: WriterPool) {
    this.#pool = pool
  }

  write(text: string, reclaimable: boolean): void {
    if (this.writer === null) {
      this.writer = this.#pool.borrow(this, 2)
      if (reclaimable) this.#pool.mayReclaim(this)
    }
    this.writer.simple(text)
  }

  giveBack(): void {
    if (this.writer === null) return
    this.writer.flush()
    this.#pool.keep(this)
    this.#pool.giveBack(this.writer)
    this.writer = null
  }

  take(buffer: Buffer, end: number): boolean {
    this.sent += buffer.toString('latin1', 0, end)
    return true
  }
}

test('of many that have something to send in one turn sixteen have a slab; the others have sent theirs, whole and in order', () => {
  const pool = new WriterPool()
  const borrowers = Array.from({ length: 100 }, () => new Client(pool))
  const slabs = new Set<ReplyWriter>()
  for (const word of ['one', 'two'])
    for (const borrower of borrowers) {
      borrower.write(word, true)
      slabs.add(borrower.writer as ReplyWriter)
    }
  assert.is(slabs.size, 16)
  assert.is(borrowers.filter(({ writer }) => writer !== null).length, 16)
  // The last sixteen have had theirs for the shortest time.
  assert.ok(borrowers.slice(-16).every(({ writer }) => writer !== null))
  for (const borrower of borrowers) borrower.giveBack()
  for (const { sent } of borrowers) assert.is(sent, '+one\r\n+two\r\n')
})

test('nobody is asked for a slab who is writing to it', () => {
  const pool = new WriterPool()
  const busy = new Client(pool)
  busy.write('half', true)
  pool.keep(busy)
  const others = Array.from({ length: 40 }, () => new Client(pool))
  for (const other of others) other.write('whole', true)
  assert.is.not(busy.writer, null)
  assert.is(busy.sent, '')
  busy.giveBack()
  assert.is(busy.sent, '+half\r\n')
})

test('one that has given its slab back is asked for none', () => {
  const pool = new WriterPool()
  const gone = new Client(pool)
  gone.write('bye', true)
  gone.giveBack()
  let asked = 0
  gone.giveBack = () => asked++
  for (let i = 0; i < 40; i++) new Client(pool).write('hello', true)
  assert.is(asked, 0)
})

test.run()
