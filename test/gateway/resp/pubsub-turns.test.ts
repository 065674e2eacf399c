/** Messages for many, handed out in turns: each step of the clock below is one turn of the event loop. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PubSub, type Receiver } from '../../../src/gateway/resp/pubsub.ts'
import type { Clock } from '../../../src/lib/clock.ts'

const test = suite('resp: pub/sub in turns')

/** A clock that a receiver moves by a millisecond whenever it is handed something. */
class Turns {
  nowMs = 0
  readonly #soon: (() => void)[] = []
  readonly clock = { now: () => this.nowMs, soon: (fn: () => void) => this.#soon.push(fn) } as unknown as Clock

  get pending(): number {
    return this.#soon.length
  }

  next(): void {
    for (const fn of this.#soon.splice(0)) fn()
  }
}

class Listener implements Receiver {
  readonly got: string[] = []
  readonly #turns: Turns

  constructor(turns: Turns) {
    this.#turns = turns
  }

  message(_channel: Buffer, message: Buffer): void {
    this.got.push(message.toString())
    this.#turns.nowMs++
  }

  patternMessage(pattern: Buffer, _channel: Buffer, message: Buffer): void {
    this.got.push(`${pattern}:${message}`)
    this.#turns.nowMs++
  }
}

const CHANNEL = Buffer.from('news')

function crowd(size: number): { turns: Turns; pubsub: PubSub; listeners: Listener[] } {
  const turns = new Turns()
  const pubsub = new PubSub(turns.clock)
  const listeners = Array.from({ length: size }, () => new Listener(turns))
  for (const listener of listeners) pubsub.subscribe('news', listener)
  return { turns, pubsub, listeners }
}

test('no turn hands out for longer than its 2 ms, everybody is counted at once, and each gets all in order', () => {
  const { turns, pubsub, listeners } = crowd(100)
  pubsub.subscribePattern('n*', listeners[99] as Listener)
  const bytes = Buffer.from('first')
  assert.is(pubsub.deliver(CHANNEL, bytes), 101)
  bytes.fill('x')
  assert.is(pubsub.deliver(CHANNEL, Buffer.from('second')), 101)
  assert.is(pubsub.deliver(Buffer.from('nobody'), Buffer.from('third')), 1)
  let longestMs = turns.nowMs
  while (turns.pending > 0) {
    const before = turns.nowMs
    turns.next()
    longestMs = Math.max(longestMs, turns.nowMs - before)
  }
  assert.is(longestMs, 2)
  for (const { got } of listeners.slice(0, 99)) assert.equal(got, ['first', 'second'])
  assert.equal(listeners[99]?.got, ['first', 'n*:first', 'second', 'n*:second', 'n*:third'])
  assert.is(pubsub.deliveredTotal, 203)
})

test('who stops listening before a message has come to him does not get it, and who begins does not get what was published before', () => {
  const { turns, pubsub, listeners } = crowd(100)
  pubsub.deliver(CHANNEL, Buffer.from('first'))
  const [gone, late] = [listeners[90] as Listener, new Listener(turns)]
  pubsub.unsubscribe('news', gone)
  pubsub.subscribe('news', late)
  while (turns.pending > 0) turns.next()
  assert.equal([gone.got, late.got, listeners[91]?.got], [[], [], ['first']])
  assert.is(pubsub.deliver(CHANNEL, Buffer.from('second')), 100)
  while (turns.pending > 0) turns.next()
  assert.equal([gone.got, late.got], [[], ['second']])
})

test('a few get a small message at once, and more bytes than may wait are handed out without a pause', () => {
  const few = crowd(64)
  assert.is(few.pubsub.deliver(CHANNEL, Buffer.from('x')), 64)
  assert.is(few.turns.pending, 0)
  assert.ok(few.listeners.every(({ got }) => got.length === 1))
  const many = crowd(100)
  for (let i = 0; i < 16; i++) many.pubsub.deliver(CHANNEL, Buffer.alloc(1024 * 1024, String(i % 10)))
  for (const { got } of many.listeners) assert.equal(got.map((text) => text[0]).join(''), '0123456789012345')
})

test.run()
