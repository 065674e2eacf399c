/**
 * The checking client must see what is wrong: a stale value, a key that is gone, an answer that is an error.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type CheckedFace, CheckedKeys, type CheckingResult, Tally } from './checked-keys.ts'

const ROUNDS = 60
const test = suite('checked keys')

/** Works for some rounds on a face that is right but for `read`. */
async function checked(read: (stored: string | null) => string | null, mayMiss: boolean = false): Promise<CheckingResult> {
  const stored = new Map<string, string>()
  const face: CheckedFace = {
    write: async (key, value) => void stored.set(key, value),
    read: async (key) => read(stored.get(key) ?? null),
  }
  const tally = new Tally()
  let rounds = 0
  await new CheckedKeys(face, { prefix: 'key', maxKeys: 10, pauseMs: 0, mayMiss }, tally).work(() => rounds++ === ROUNDS)
  return tally.result()
}

test('a cache that is right is not accused, and every key is read at the end', async () => {
  const { failures, reads, writes, keys, missed } = await checked((stored) => stored)
  assert.equal(failures, [])
  assert.is(keys, 10)
  assert.is(reads + writes, ROUNDS + keys)
  assert.is(missed, 0)
})

test('another value than the last one written is stale, also where keys may be gone', async () => {
  for (const mayMiss of [false, true]) {
    const { failures, reads } = await checked(() => '0:', mayMiss)
    assert.ok(failures.length > reads / 2)
    assert.match(failures.at(-1) ?? '', 'stale')
  }
})

test('a key that is gone is a failure', async () => {
  const { failures, reads, missed } = await checked(() => null)
  assert.is(failures.length, reads)
  assert.is(missed, 0)
})

test('where keys may be evicted, one that is gone is counted', async () => {
  const { failures, reads, missed } = await checked(() => null, true)
  assert.equal(failures, [])
  assert.is(missed, reads)
})

test('an answer that is an error is a failure with its words', async () => {
  const { failures } = await checked(() => {
    throw new Error('503 not now')
  })
  assert.match(failures[0] ?? '', '503 not now')
})

test.run()
