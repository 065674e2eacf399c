/**
 * Messages between members that are not what they ought to be. Those of a running cluster have bytes changed under way, on every channel and both ways; and
 * a stranger with the right hello sends every kind of call, frames and snapshots, made of pieces of real ones and of chance. What cannot be read ends its
 * link or fails its call: nothing is thrown out of a handler or a later turn, and no message makes a member ask for memory out of proportion.
 */
// deadline: 180 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Random } from '../../src/lib/random.ts'
import type { Channel, MessageStream } from '../../src/transport/transport.ts'
import type { Cluster, Life } from '../support/cluster.ts'
import { FEW_SLOTS, fewerSlots, rewrite } from './chaos/rewrites.ts'

rewrite([fewerSlots(FEW_SLOTS)])
const { OPERATION_APPEND, OPERATION_COPY, OPERATION_INCREMENT } = await import('../../src/cache/operation.ts')
const { ByteReader, ByteWriter, NO_BYTES } = await import('../../src/lib/bytes.ts')
const { PROTOCOL_MAX, PROTOCOL_MIN } = await import('../../src/lib/protocol.ts')
const { randomBelow, SeededRandom, shuffle } = await import('../../src/lib/random.ts')
const { CHANNELS } = await import('../../src/transport/transport.ts')
const { Entry } = await import('../../src/lib/entry.ts')
const { SlotSet } = await import('../../src/lib/slot-set.ts')
const { ZERO_STAMP } = await import('../../src/lib/version.ts')
const { encodeMarks } = await import('../../src/replication/mark-codec.ts')
const messages = await import('../../src/replication/messages.ts')
const { encodeCorrection, encodeDifferences } = await import('../../src/replication/repair-codec.ts')
const { cluster } = await import('../support/cluster.ts')
const { HostClock } = await import('../support/fake-clock.ts')
const { deleteOf, getOf, operationOf, setOf } = await import('../support/operations.ts')

const test = suite('simulation: malformed messages')

const PEER_PORT = 7947
/** Kinds of calls and tells: all below this, known or not. */
const KINDS = 64
const CALL = 1
const CALL_HEADER_BYTES = 10
/** A member asks for so much at once without having been told to, at the most: buffers for messages and answers. */
const MOST_AT_ONCE = 4 * 1024 * 1024

/** Those of members, and of the stranger. */
const NAMES = ['jackdaw-0', 'jackdaw-1', 'jackdaw-2', 'stranger']

const ignore = (): void => {}

/** Everything that a member asks others for, one at a time. */
function use(whole: Cluster, random: Random): void {
  const lives = [...whole.lives.values()]
  const { cache } = (lives[randomBelow(random, lives.length)] as Life).node
  const key = `key-${randomBelow(random, 200)}`
  const uses: readonly (() => void)[] = [
    () => cache.execute(setOf(key, 'v'.repeat(randomBelow(random, 300))), ignore),
    () => cache.execute(setOf(key, 'v', { ack: 1 }), ignore),
    () => cache.execute(getOf(key), ignore),
    () => cache.execute(deleteOf(key), ignore),
    () => cache.execute(operationOf(OPERATION_INCREMENT, 'counter', '1'), ignore),
    () => cache.execute(operationOf(OPERATION_APPEND, key, 'more'), ignore),
    () => cache.transact([setOf(key, '1'), operationOf(OPERATION_COPY, key, key), getOf(key)], ignore, ignore),
    () => cache.scan({ prefix: Buffer.from('key'), suffix: NO_BYTES, after: null, values: true }).next(ignore),
    () => cache.scanSlots(0, 20, ignore),
    () => cache.size(ignore),
    () => cache.randomKey(ignore),
    () => cache.publish(Buffer.from('channel'), Buffer.from('message'), ignore),
    () => cache.confirm([1, 2, 3], 0, 1, 100, ignore),
    () => random.next() < 0.1 && cache.flush(ignore),
  ]
  uses[randomBelow(random, uses.length)]?.()
}

/** Bytes that tell something: ends of ranges, lengths, what is no UTF-8. */
const TELLING = [0, 1, 2, 0x7f, 0x80, 0xc3, 0xfe, 0xff]

/** In place. */
function damage(bytes: Buffer, random: Random): void {
  if (bytes.length === 0) return
  for (let times = 1 + randomBelow(random, 3); times > 0; times--) {
    const at = randomBelow(random, bytes.length)
    const how = randomBelow(random, 4)
    if (how === 0) bytes[at] = randomBelow(random, 256)
    else if (how === 1) bytes[at] = TELLING[randomBelow(random, TELLING.length)] as number
    else if (how === 2)
      bytes.fill(TELLING[randomBelow(random, TELLING.length)] as number, at, Math.min(bytes.length, at + 1 + randomBelow(random, 8)))
    else bytes.copy(bytes, at, randomBelow(random, bytes.length), bytes.length)
  }
}

/** Made of a real one, or of nothing: damaged, cut, lengthened, spliced. */
function made(from: readonly Buffer[], random: Random): Buffer {
  const pick = (): Buffer => Buffer.from(from[randomBelow(random, from.length)] ?? NO_BYTES)
  const noise = Buffer.from(Array.from({ length: randomBelow(random, 64) }, () => randomBelow(random, 256)))
  const how = randomBelow(random, 7)
  const one = pick()
  if (how === 0) return noise
  if (how === 1) return one.subarray(0, randomBelow(random, one.length + 1))
  if (how === 2) return Buffer.concat([one.subarray(0, randomBelow(random, one.length + 1)), noise])
  if (how === 3) {
    const other = pick()
    return Buffer.concat([one.subarray(0, randomBelow(random, one.length + 1)), other.subarray(randomBelow(random, other.length + 1))])
  }
  if (how === 4) return misnamed(one, random)
  damage(one, random)
  return one
}

/** A name in it, if there is one, is the longest that a text may be, of bytes that are no UTF-8: with those replaced it would be three times as long. */
function misnamed(bytes: Buffer, random: Random): Buffer {
  for (const name of shuffle(random, [...NAMES])) {
    const at = bytes.indexOf(Buffer.of(name.length, ...Buffer.from(name)))
    if (at >= 0) return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(256, 0xff), bytes.subarray(at + 1 + name.length)])
  }
  return bytes
}

/** Watches what is asked for at once while `run` runs. Answers the most, in bytes. */
function mostAllocated(run: () => void): number {
  const { alloc, allocUnsafe, allocUnsafeSlow } = Buffer
  let most = 0
  const watched =
    <T extends unknown[]>(make: (size: number, ...rest: T) => Buffer<ArrayBuffer>) =>
    (size: number, ...rest: T): Buffer<ArrayBuffer> => {
      most = Math.max(most, size)
      return make(size, ...rest)
    }
  Object.assign(Buffer, { alloc: watched(alloc), allocUnsafe: watched(allocUnsafe), allocUnsafeSlow: watched(allocUnsafeSlow) })
  try {
    run()
  } finally {
    Object.assign(Buffer, { alloc, allocUnsafe, allocUnsafeSlow })
  }
  return most
}

function started(seed: number): Cluster {
  const whole = cluster({ nodes: 3, seed })
  whole.startAll()
  whole.untilReady()
  return whole
}

for (let seed = 1; seed <= 3; seed++) {
  test(`bytes that are changed under way end links and fail calls, and no member (seed ${seed})`, () => {
    const whole = started(seed)
    const random = new SeededRandom(seed)
    let damaged = 0
    whole.network.tap = (kind, _from, _to, bytes) => {
      if (kind !== 'message' || random.next() >= 0.05) return
      damaged++
      damage(bytes, random)
    }
    const most = mostAllocated(() => {
      for (let step = 0; step < 1500; step++) {
        use(whole, random)
        whole.clock.advance(5)
        if (step === 500) whole.kill('jackdaw-1')
        if (step === 700) whole.start('jackdaw-1')
        if (step === 1000) whole.network.reset('10.0.0.1', '10.0.0.3')
      }
    })
    assert.ok(damaged > 100, `${damaged} messages were changed`)
    assert.ok(most <= MOST_AT_ONCE, `${most} bytes at once`)
    whole.close()
  })
}

/** Bodies of what is not asked, or not often, while all is well. */
function rare(life: Life): [number, Buffer][] {
  const slots = SlotSet.of(Array.from({ length: 20 }, (_, i) => i))
  const { ms } = life.node.inside.replication.term(1) ?? ZERO_STAMP
  const term = { ms: ms + 1000, counter: 7, name: 'stranger', generation: 1, strong: true }
  const stamp = { ms, counter: 3 }
  const pull = new ByteWriter().u48(0).u16(0)
  slots.encode(pull)
  encodeMarks(pull, new Map([[1, stamp]]))
  const newer = new Entry().setKey(Buffer.from('key-1')).setValue(Buffer.from('value'))
  newer.setVersion(ms + 1, 0, 'stranger')
  const correction = { slot: 1, share: 0, shares: 1, dropped: 0, left: 0, wanted: [Buffer.from('key-2')], newer: [newer] }
  return [
    [messages.KIND_OFFER, messages.encodeSlots(slots)],
    [messages.KIND_CONFIRM, Buffer.from([0, 0, 0, 1])],
    [messages.KIND_PULL, pull.toBuffer()],
    [messages.KIND_SURPLUS, messages.encodeSlots(slots)],
    [messages.KIND_TERMS, messages.encodeTerms(new ByteWriter(), new Map([[term, slots]])).toBuffer()],
    [messages.KIND_DIFFERS, encodeDifferences([{ slot: 1, high: 2, low: 3 }])],
    [messages.KIND_CORRECTION, encodeCorrection(correction)],
  ]
}

interface Corpus {
  /** By kind: the bodies of calls and tells. */
  readonly bodies: Map<number, Buffer[]>
  /** Whole, of all channels, both ways. */
  readonly messages: Buffer[]
}

/** What a cluster says while it is used, a member dies and comes back, and copies differ. */
function listen(whole: Cluster, random: Random): Corpus {
  const corpus: Corpus = { bodies: new Map(), messages: [] }
  whole.network.tap = (kind, _from, _to, bytes) => {
    if (kind !== 'message') return
    if (corpus.messages.length < 5000) corpus.messages.push(Buffer.from(bytes))
    try {
      const reader = new ByteReader(bytes)
      const found: [number, Buffer][] = []
      while (reader.remaining > 0) {
        const [called, shape] = [reader.u8(), reader.u8()]
        reader.u32()
        const body = Buffer.from(reader.block())
        if (shape > 1 || called >= KINDS) continue
        found.push([called, body])
      }
      for (const [called, body] of found) {
        const known = corpus.bodies.get(called) ?? []
        if (known.length < 50) known.push(body)
        corpus.bodies.set(called, known)
      }
    } catch {
      // Of another channel.
    }
  }
  for (let step = 0; step < 600; step++) {
    use(whole, random)
    whole.clock.advance(5)
    if (step === 200) whole.kill('jackdaw-1')
    if (step === 300) whole.start('jackdaw-1')
  }
  whole.network.tap = null
  for (const [called, body] of rare(whole.life('jackdaw-0'))) corpus.bodies.set(called, [...(corpus.bodies.get(called) ?? []), body])
  return corpus
}

class Stranger {
  readonly #whole: Cluster
  readonly #streams
  #calls = 0
  readonly #open = new Map<string, { stream: MessageStream; live: boolean }>()

  constructor(whole: Cluster) {
    this.#whole = whole
    this.#streams = whole.network.host('10.9.9.9', new HostClock(whole.clock)).streams(PEER_PORT)
  }

  /** Over a stream of its own if the last was ended. */
  send(to: Life, channel: Channel, message: Buffer): void {
    const id = `${to.host} ${channel}`
    let at = this.#open.get(id)
    if (at === undefined || !at.live) {
      const opened = { stream: null as unknown as MessageStream, live: true }
      opened.stream = this.#dial(to, channel, () => {
        opened.live = false
      })
      opened.stream.send(this.hello(to))
      this.#open.set(id, opened)
      at = opened
      this.#whole.clock.advance(5)
    }
    at.stream.send(message)
  }

  call(to: Life, kind: number, body: Buffer, shape: number = CALL): void {
    const call = new ByteWriter(CALL_HEADER_BYTES + body.length)
      .u8(kind)
      .u8(shape)
      .u32(++this.#calls)
      .block(body)
    this.send(to, 'request', call.toBuffer())
  }

  /** A stream of which nothing but this is heard. */
  sendFirst(to: Life, channel: Channel, message: Buffer): void {
    const stream = this.#dial(to, channel, ignore)
    stream.send(message)
    this.#whole.clock.advance(5)
    stream.close()
  }

  hello(to: Life): Buffer {
    return new ByteWriter(128)
      .raw(Buffer.from('JKDW'))
      .u8(PROTOCOL_MIN)
      .u8(PROTOCOL_MAX)
      .text('simulated')
      .text('stranger')
      .u48(1)
      .text(to.name)
      .u48(to.node.inside.membership.self().generation)
      .toBuffer()
  }

  #dial(to: Life, channel: Channel, closed: () => void): MessageStream {
    return this.#streams.dial(`${to.host}:${PEER_PORT}`, channel, { message: ignore, closed })
  }
}

for (let seed = 1; seed <= 3; seed++) {
  test(`whatever a stranger sends, the members go on (seed ${seed})`, () => {
    const whole = started(100 + seed)
    const random = new SeededRandom(seed)
    const { bodies, messages: all } = listen(whole, random)
    const stranger = new Stranger(whole)
    const most = mostAllocated(() => {
      for (const [kind, known] of bodies) {
        for (const body of known.slice(-5)) stranger.call(whole.life('jackdaw-0'), kind, misnamed(body, random))
        whole.clock.advance(10)
      }
      for (let step = 0; step < 4000; step++) {
        const life = whole.lives.get(`jackdaw-${randomBelow(random, 3)}`) as Life
        const what = random.next()
        if (what < 0.05) stranger.sendFirst(life, CHANNELS[randomBelow(random, 3)] as Channel, made([stranger.hello(life)], random))
        else if (what < 0.4) stranger.send(life, CHANNELS[randomBelow(random, 3)] as Channel, made(all, random))
        else {
          const kind = step % KINDS
          stranger.call(life, kind, made(bodies.get(kind) ?? all, random), randomBelow(random, 2))
        }
        if (random.next() < 0.3) use(whole, random)
        whole.clock.advance(2)
      }
      whole.clock.advance(20_000)
    })
    assert.ok(most <= MOST_AT_ONCE, `${most} bytes at once`)
    assert.is(whole.lives.size, 3)
    whole.close()
  })
}

test.run()
