/** Which news travels next, and for how long. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Dissemination, retransmitLimit } from '../../src/membership/dissemination.ts'

const test = suite('dissemination')

const texts = (taken: Buffer[]): string[] => taken.map(String)
const ALL = 10_000

for (const [members, limit] of [
  [1, 4],
  [9, 4],
  [10, 8],
  [99, 8],
  [100, 12],
] as const) {
  test(`news is sent ${limit} times by each of ${members}`, () => assert.is(retransmitLimit(4, members), limit))
}

test('the newest goes first among what was never sent, the least sent first otherwise', () => {
  const news = new Dissemination()
  news.put('a', Buffer.from('a1'))
  news.put('b', Buffer.from('b1'))
  assert.equal(texts(news.take(ALL, 1, 4)), ['b1'])
  assert.equal(texts(news.take(ALL, 1, 4)), ['a1'])
  news.put('c', Buffer.from('c1'))
  assert.equal(texts(news.take(ALL, 9, 4)), ['c1', 'b1', 'a1'])
})

test('newer news about a member replaces the older and starts afresh', () => {
  const news = new Dissemination()
  news.put('a', Buffer.from('a1'))
  news.take(ALL, 9, 2)
  news.put('a', Buffer.from('a2'))
  assert.is(news.size, 1)
  assert.equal(texts(news.take(ALL, 9, 2)), ['a2'])
  assert.equal(texts(news.take(ALL, 9, 2)), ['a2'])
  assert.not(news.has('a'))
  assert.equal(news.take(ALL, 9, 2), [])
})

test('what does not fit waits, uncounted, and smaller news passes it', () => {
  const news = new Dissemination()
  news.put('small', Buffer.alloc(10))
  news.put('large', Buffer.alloc(100))
  assert.equal(
    news.take(50, 9, 1).map((message) => message.length),
    [10],
  )
  assert.equal(
    news.take(100, 9, 1).map((message) => message.length),
    [100],
  )
  assert.is(news.size, 0)
})

test.run()
