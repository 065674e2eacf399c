/** The frames of a stream: each is read as it was written, none is read beyond its end, and one from tomorrow is passed over. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader, ByteWriter, MalformedError } from '../../src/lib/bytes.ts'
import type { Entry } from '../../src/lib/entry.ts'
import { SlotSet } from '../../src/lib/slot-set.ts'
import { type Ack, decodeAck, encodeAck, FRAME_ENTRY, FrameWriter, heartbeat, MESSAGE_HEADER_BYTES } from '../../src/replication/frames.ts'
import { Incoming } from '../../src/replication/incoming.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { entry, peer, Recorder, term } from './fakes.ts'

const NO_PROGRESS = { accepted: 0, echo: 0 }
/** The frame of it, behind all others. */
const PROGRESS_BYTES = 5 + 6 + 6
const test = suite('frames')

const STAMP = { ms: 1_767_225_600_123, counter: 45 }
const SLOTS = SlotSet.of([0, 7, 16_383])

const malformed = (error: Error): boolean => error instanceof MalformedError

/** What a new session makes of its first message. */
function heard(message: Buffer): string[] {
  const recorder = new Recorder()
  new Incoming(peer('p'), new FakeClock(), recorder).received(message)
  return recorder.told
}

function tombstone(): Entry {
  const deleted = entry('gone', '', 5, 6, 'w')
  deleted.tombstone = true
  return deleted
}

const FRAMES: readonly (readonly [string, (frames: FrameWriter) => void])[] = [
  ['entry key=value @1-2-w', (frames) => frames.entry(entry('key', 'value', 1, 2, 'w'))],
  ['entry gone=tombstone @5-6-w', (frames) => frames.entry(tombstone())],
  ['entry = @0-0-', (frames) => frames.entry(entry('', '', 0, 0, ''))],
  ['drop key @1-2-w', (frames) => frames.drop(entry('key', 'a value that does not travel', 1, 2, 'w'))],
  ['follow p/3@9-0!: 0,7,16383 fresh', (frames) => frames.follow(term('p', 9, true, 3), SLOTS, true)],
  ['follow p/3@9-0?: ', (frames) => frames.follow(term('p', 9, false, 3), new SlotSet(), false)],
  ['unfollow 0,7,16383', (frames) => frames.unfollow(SLOTS)],
  [
    'check p/1@9-0!: 5:4294967295:0,16383:1:2',
    (frames) =>
      frames.check(term('p', 9), [
        { slot: 5, high: 0xffffffff, low: 0 },
        { slot: 16_383, high: 1, low: 2 },
      ]),
  ],
  ['check p/1@9-0!: ', (frames) => frames.check(term('p', 9), [])],
  ['complete p/1@9-0!: 7:3:4', (frames) => frames.complete(term('p', 9), [{ slot: 7, high: 3, low: 4 }])],
  ['grant 4294967295 q/2@9-0!: 0,7,16383', (frames) => frames.grant(0xffffffff, term('q', 9, true, 2), SLOTS)],
]

for (const [told, write] of FRAMES) {
  test(`a frame is read as it was written: ${told}`, () => {
    const frames = new FrameWriter()
    write(frames)
    assert.equal(heard(frames.finish(1, 1, STAMP, NO_PROGRESS)), [told])
  })

  test(`a message cut within the frame is malformed and tells nothing of it: ${told}`, () => {
    const frames = new FrameWriter()
    write(frames)
    const whole = frames.finish(1, 1, STAMP, NO_PROGRESS)
    for (let length = 0; length < whole.length; length++) {
      // Just the header is a message without frames, and one may end before the last frame, which is that of an earlier version.
      if (length === MESSAGE_HEADER_BYTES || length === whole.length - PROGRESS_BYTES) continue
      const recorder = new Recorder()
      const session = new Incoming(peer('p'), new FakeClock(), recorder)
      assert.throws(() => session.received(whole.subarray(0, length)), malformed, `${length} of ${whole.length} bytes`)
      if (length < whole.length - PROGRESS_BYTES) assert.equal(recorder.told, length < MESSAGE_HEADER_BYTES ? [] : ['gap'])
      else assert.is(recorder.told.at(-1), 'gap')
    }
  })
}

test('entries of all shapes are read as they were written, however many follow one another and whatever lies between them', () => {
  const frames = new FrameWriter()
  const expected: string[] = []
  for (let i = 0; i < 200; i++) {
    const written = entry(`key ${'k'.repeat(i % 7)}`, 'v'.repeat(i % 50), 100 + i, i, 'w'.repeat(1 + (i % 3)))
    if (i % 5 === 0) written.expiresAtMs = 1_000_000
    frames.entry(written)
    expected.push(`entry ${written.keyBytes()}=${written.valueBytes()} @${written.ms}-${i}-${written.writer}`)
    if (i % 70 === 69) {
      frames.drop(written)
      expected.push(`drop ${written.keyBytes()} @${written.ms}-${i}-${written.writer}`)
    }
  }
  assert.equal(heard(frames.finish(1, 1, STAMP, NO_PROGRESS)), expected)
})

test('an entry whose value would be longer than its frame is malformed, whatever comes behind it', () => {
  const frames = new FrameWriter()
  frames.entry(entry('first', 'value', 1))
  frames.entry(entry('second', 'value', 2))
  frames.entry(entry('third', 'value', 3))
  const message = frames.finish(1, 1, STAMP, NO_PROGRESS)
  const length = message.indexOf('second') + 'second'.length
  message.writeUInt32BE(6, length)
  const recorder = new Recorder()
  const session = new Incoming(peer('p'), new FakeClock(), recorder)
  assert.throws(() => session.received(message), malformed)
  assert.equal(recorder.told, ['entry first=value @1-0-a', 'gap'])
})

test('frames are told in the order in which they were written', () => {
  const frames = new FrameWriter()
  for (const [, write] of FRAMES) write(frames)
  assert.equal(
    heard(frames.finish(1, 1, STAMP, NO_PROGRESS)),
    FRAMES.map(([told]) => told),
  )
})

test('a frame of an unknown type is passed over, and those around it are read', () => {
  const frames = new FrameWriter()
  frames.unfollow(SLOTS)
  const message = frames.finish(1, 1, STAMP, NO_PROGRESS)
  const unknown = new ByteWriter().u8(200).block(Buffer.from('from tomorrow')).toBuffer()
  const empty = new ByteWriter().u8(0).block(Buffer.alloc(0)).toBuffer()
  const body = message.subarray(MESSAGE_HEADER_BYTES)
  assert.equal(heard(Buffer.concat([message, unknown, body, empty, body])), new Array(3).fill('unfollow 0,7,16383'))
})

test('a frame with more than is known is read for what is known', () => {
  const frames = new FrameWriter()
  frames.entry(entry('k', 'v', 1))
  const message = frames.finish(1, 1, STAMP, NO_PROGRESS)
  const body = message.subarray(MESSAGE_HEADER_BYTES + 5)
  const longer = new ByteWriter()
    .u8(FRAME_ENTRY)
    .block(Buffer.concat([body, Buffer.from('appended')]))
    .toBuffer()
  assert.equal(heard(Buffer.concat([message.subarray(0, MESSAGE_HEADER_BYTES), longer])), ['entry k=v @1-0-a'])
})

test('a frame does not read into the one behind it', () => {
  const frames = new FrameWriter()
  frames.entry(entry('k', 'v', 1))
  const message = frames.finish(1, 1, STAMP, NO_PROGRESS)
  // The first frame says that it is a byte shorter than it is.
  message.writeUInt32BE(message.readUInt32BE(MESSAGE_HEADER_BYTES + 1) - 1, MESSAGE_HEADER_BYTES + 1)
  assert.throws(() => heard(Buffer.concat([message, Buffer.alloc(50)])), malformed)
})

test('a check of more slots than there are is malformed', () => {
  const frames = new FrameWriter()
  frames.check(
    term('p', 9),
    Array.from({ length: 16_385 }, (_, i) => ({ slot: i % 16_384, high: 0, low: 0 })),
  )
  assert.throws(() => heard(frames.finish(1, 1, STAMP, NO_PROGRESS)), malformed)
})

test('a heartbeat has no frames', () => {
  const beat = heartbeat(3, 77, STAMP, { accepted: 12_345, echo: 88 })
  assert.is(beat.length, MESSAGE_HEADER_BYTES + 12)
  const reader = new ByteReader(beat)
  assert.equal(
    [reader.u32(), reader.u48(), reader.u48(), reader.u48(), reader.u16(), reader.u48(), reader.u48()],
    [3, 0, 77, STAMP.ms, STAMP.counter, 12_345, 88],
  )
  assert.equal(heard(beat), [])
})

test('finish gives the message and leaves an empty writer', () => {
  const frames = new FrameWriter()
  assert.is(frames.bytes, 0)
  frames.unfollow(SLOTS)
  const bytes = frames.bytes
  const first = frames.finish(1, 1, STAMP, NO_PROGRESS)
  assert.is(first.length, MESSAGE_HEADER_BYTES + bytes + PROGRESS_BYTES)
  assert.is(frames.bytes, 0)
  const copy = Buffer.from(first)
  frames.entry(entry('k', 'v'.repeat(100_000), 1))
  assert.equal(first, copy, 'the first message is not touched by later ones')
  frames.reset()
  assert.is(frames.bytes, 0)
})

test('an acknowledgement comes back as it went in, with or without a status', () => {
  const slotSets = fc.uniqueArray(fc.integer({ min: 0, max: 16_383 }), { maxLength: 50 }).map((slots) => SlotSet.of(slots))
  const acks: fc.Arbitrary<Ack> = fc.record(
    {
      epoch: fc.integer({ min: 0, max: 0xffffffff }),
      sequence: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      sentMs: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      status: fc.option(fc.record({ complete: slotSets, elsewhere: slotSets })),
      refused: fc.option(slotSets),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(acks, (ack) => {
      const back = decodeAck(new ByteReader(encodeAck(ack)))
      assert.is(back.epoch, ack.epoch)
      assert.equal([back.sequence, back.sentMs], [ack.sequence, ack.sentMs])
      assert.is(back.refused === null, ack.refused === null)
      if (ack.refused) assert.ok(back.refused?.equals(ack.refused))
      assert.is(back.status === null, ack.status === null)
      if (ack.status === null) return
      assert.ok(back.status?.complete.equals(ack.status.complete))
      assert.ok(back.status?.elsewhere.equals(ack.status.elsewhere))
    }),
  )
})

test('an acknowledgement that is truncated is malformed, but for one that ends as an earlier version ends it', () => {
  for (const status of [null, { complete: SLOTS, elsewhere: SLOTS }]) {
    const writer = new ByteWriter(64)
    status?.complete.encode(writer)
    const earlier = 4 + 6 + 1 + writer.length
    const whole = encodeAck({ epoch: 1, sequence: 2, sentMs: 3, status, refused: SLOTS })
    for (let length = 0; length < whole.length; length++) {
      if (length === earlier) {
        const { sequence, sentMs, refused } = decodeAck(new ByteReader(whole.subarray(0, length)))
        assert.equal([sequence, sentMs, refused], [2, 0, null])
      } else assert.throws(() => decodeAck(new ByteReader(whole.subarray(0, length))), malformed, `${length} bytes`)
    }
  }
})

test.run()
