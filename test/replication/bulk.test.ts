/** Bulk: whole slots to one peer, in messages that fit, within a window, done when acknowledged. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteWriter, MalformedError } from '../../src/lib/bytes.ts'
import type { Entry } from '../../src/lib/entry.ts'
import { encodeEntry } from '../../src/lib/entry-codec.ts'
import { PROTOCOL_MAX, PROTOCOL_MIN } from '../../src/lib/protocol.ts'
import { slotOf } from '../../src/lib/slot.ts'
import { ZERO_STAMP } from '../../src/lib/version.ts'
import { BulkSender, encodeBulkAck, readBulk } from '../../src/replication/bulk.ts'
import type { Store } from '../../src/store/index.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { entry, FakeLink, newStore, peer } from './fakes.ts'

const test = suite('bulk')

const KIB = 1024
/** Protocol range and number. */
const HEAD_BYTES = 6

const malformed = (error: Error): boolean => error instanceof MalformedError

/** A sender over a store, and a receiver that applies and acknowledges. */
class Copying {
  readonly clock = new FakeClock()
  readonly from: Store = newStore()
  readonly to: Store = newStore()
  readonly sender = new BulkSender(peer('to'), this.clock, this.from, (writes) => {
    this.beaten += writes
  })
  readonly done: string[] = []
  beaten = 0
  /** Slot and key, as they arrived. */
  readonly arrived: string[] = []
  /** The same of what the sender had no more. */
  readonly judged: string[] = []
  out: FakeLink | null = null
  back: FakeLink | null = null

  connect(): this {
    const back = new FakeLink(this.clock, peer('from'), (message) => this.sender.received(message))
    this.back = back
    this.out = new FakeLink(this.clock, peer('to'), (message) => {
      const apply = (read: Entry, slot: number): void => {
        this.arrived.push(`${slot} ${read.keyBytes().toString()}`)
        assert.is(slot, slotOf(read.key, read.keyStart, read.keyEnd))
        this.to.apply(read, 0)
      }
      const number = readBulk(message, apply, (read, slot) => this.judged.push(`${slot} ${read.keyBytes()} ${read.ms}`))
      back.send(encodeBulkAck(number, 2, new Map()))
    })
    this.sender.opened(this.out)
    return this
  }

  disconnect(): void {
    this.out?.close()
    this.back?.close()
    if (this.out !== null) this.sender.linkClosed(this.out)
  }

  /** Puts `count` entries of one slot into the store, with stamps 1, 2, 3, ... Answers the slot. */
  fill(tag: string, count: number, valueBytes: number = 10): number {
    for (let i = 0; i < count; i++) this.from.apply(entry(`{${tag}}${i}`, 'v'.repeat(valueBytes), i + 1), 0)
    return slotOf(Buffer.from(`{${tag}}`))
  }

  send(slot: number, since: { ms: number; counter: number } = ZERO_STAMP): void {
    this.sender.send({ slot, since, done: (delivered) => this.done.push(`${slot} ${delivered}`) })
  }

  same(slot: number): boolean {
    const [a, b] = [this.from.slotDigest(slot), this.to.slotDigest(slot)]
    return a.high === b.high && a.low === b.low && this.from.slotEntries(slot) === this.to.slotEntries(slot)
  }
}

test('a slot arrives whole, and is done when that was acknowledged', () => {
  const copying = new Copying().connect()
  const slot = copying.fill('x', 20)
  copying.send(slot)
  assert.equal(copying.done, [], 'in a later turn')
  copying.clock.advance(1)
  assert.equal(copying.done, [], 'not before the acknowledgement')
  copying.clock.advance(10)
  assert.equal(copying.done, [`${slot} true`])
  assert.ok(copying.same(slot))
  assert.is(copying.sender.entriesTotal, 20)
})

test('tombstones and expired entries travel too', () => {
  const copying = new Copying().connect()
  const slot = slotOf(Buffer.from('{x}'))
  const gone = entry('{x}gone', '', 5)
  gone.tombstone = true
  const expired = entry('{x}expired', 'v', 6)
  expired.expiresAtMs = 7
  copying.from.apply(gone, 0)
  copying.from.apply(expired, 0)
  copying.send(slot)
  copying.clock.advance(10)
  assert.ok(copying.same(slot))
  assert.is(copying.to.slotEntries(slot), 2)
})

test('what the sender has no more goes before the slot, to be judged, and is not applied', () => {
  const copying = new Copying().connect()
  const slot = copying.fill('x', 2)
  const replaced = [entry('{x}0', '', 0), entry('{x}9', '', 7)]
  copying.sender.send({ slot, since: ZERO_STAMP, begun: () => replaced, done: (delivered) => copying.done.push(`${delivered}`) })
  copying.clock.advance(10)
  assert.equal(copying.judged, [`${slot} {x}0 0`, `${slot} {x}9 7`])
  assert.equal(copying.done, ['true'])
  assert.ok(copying.same(slot))
  assert.is(copying.to.slotEntries(slot), 2)
})

test('of what has been judged the receiver is told so, whether it is the last of its slot or not', () => {
  const copying = new Copying()
  const slots = [copying.fill('x', 300, KIB), copying.fill('y', 1)]
  const told: string[] = []
  copying.sender.opened(
    new FakeLink(copying.clock, peer('to'), (message) => {
      const number = readBulk(message, (_read, slot, judged) => told.push(`${slot} ${judged}`))
      copying.sender.received(encodeBulkAck(number, 0, new Map()))
    }),
  )
  for (const [i, slot] of slots.entries()) copying.sender.send({ slot, since: ZERO_STAMP, judged: i === 0, done: () => {} })
  copying.clock.advance(10)
  assert.equal([told.length, ...new Set(told)], [301, `${slots[0]} true`, `${slots[1]} false`])
})

test('an empty slot is done as well', () => {
  const copying = new Copying().connect()
  copying.send(77)
  copying.clock.advance(10)
  assert.equal(copying.done, ['77 true'])
  assert.equal(copying.arrived, [])
})

test('many small slots share a message', () => {
  const copying = new Copying().connect()
  const slots = Array.from({ length: 100 }, (_, i) => copying.fill(`tag${i}`, 3))
  for (const slot of slots) copying.send(slot)
  copying.clock.advance(10)
  assert.is(copying.out?.sent.length, 1)
  assert.equal(
    copying.done,
    slots.map((slot) => `${slot} true`),
  )
  for (const slot of slots) assert.ok(copying.same(slot))
})

test('a large slot takes many messages of a bounded size, each entry in one of them, and is done after the last', () => {
  const copying = new Copying().connect()
  const large = copying.fill('large', 3000, KIB)
  const small = copying.fill('small', 2)
  copying.send(large)
  copying.send(small)
  copying.clock.advance(100)
  const sizes = (copying.out as FakeLink).sent.map((message) => message.length)
  assert.ok(sizes.length >= 12, `${sizes.length} messages`)
  for (const size of sizes) assert.ok(size < 256 * KIB + 2 * KIB, `${size} bytes`)
  assert.is(copying.arrived.length, 3002)
  assert.is(new Set(copying.arrived).size, 3002)
  assert.equal(copying.done, [`${large} true`, `${small} true`])
  assert.ok(copying.same(large) && copying.same(small))
  assert.is(
    copying.sender.bytesTotal,
    sizes.reduce((sum, size) => sum + size, 0),
  )
})

test('an entry larger than a message travels alone', () => {
  const copying = new Copying().connect()
  const slot = copying.fill('huge', 3, 700 * KIB)
  copying.send(slot)
  copying.clock.advance(50)
  assert.equal(copying.done, [`${slot} true`])
  assert.ok(copying.same(slot))
})

test('entries that change while their slot is under way are met at least once', () => {
  const copying = new Copying().connect()
  const slot = copying.fill('x', 2000, KIB)
  copying.send(slot)
  copying.clock.advance(0.5)
  for (let i = 0; i < 2000; i += 2) copying.from.apply(entry(`{x}${i}`, 'new', 10_000), 0)
  for (let i = 1; i < 200; i += 2) copying.from.drop(Buffer.from(`{x}${i}`), 0, `{x}${i}`.length, { ms: i + 1, counter: 0, writer: 'a' })
  copying.clock.advance(100)
  assert.equal(copying.done, [`${slot} true`])
  const keys = new Set(copying.arrived.map((line) => line.split(' ')[1]))
  for (let i = 0; i < 2000; i += 2) assert.ok(keys.has(`{x}${i}`))
  for (let i = 201; i < 2000; i += 2) assert.ok(keys.has(`{x}${i}`))
})

test('no more than the window is under way', () => {
  const copying = new Copying().connect()
  copying.back?.hold()
  copying.send(copying.fill('large', 4000, KIB))
  copying.clock.advance(100)
  const underWay = (copying.out as FakeLink).sent.reduce((sum, message) => sum + message.length, 0)
  assert.ok(underWay >= 1024 * KIB && underWay <= 1300 * KIB, `${underWay} bytes`)
  assert.equal(copying.done, [])
  copying.back?.release()
  copying.clock.advance(100)
  assert.is(copying.done.length, 1)
  assert.is(copying.arrived.length, 4000)
})

test('one message is written a turn', () => {
  const copying = new Copying().connect()
  const link = copying.out as FakeLink
  copying.send(copying.fill('large', 900, KIB))
  const perTurn: number[] = []
  let before = 0
  copying.clock.observer = () => {
    perTurn.push(link.sent.length - before)
    before = link.sent.length
  }
  copying.clock.advance(50)
  assert.ok(link.sent.length > 3)
  assert.ok(Math.max(...perTurn) === 1)
})

test('only entries at or above the stamp are sent', () => {
  const copying = new Copying().connect()
  const slot = copying.fill('x', 10)
  copying.from.apply(entry('{x}same ms', 'v', 7, 1), 0)
  copying.from.apply(entry('{x}below', 'v', 6, 65_535), 0)
  copying.send(slot, { ms: 7, counter: 0 })
  copying.clock.advance(10)
  const keys = copying.arrived.map((line) => line.slice(line.indexOf(' ') + 1)).sort()
  assert.equal(keys, ['{x}6', '{x}7', '{x}8', '{x}9', '{x}same ms'])
  assert.equal(copying.done, [`${slot} true`])
  assert.is(copying.sender.entriesTotal, 5)
})

test('however little of what is looked at is to be sent, a turn looks at a bounded number of entries', () => {
  const copying = new Copying().connect()
  const slots = Array.from({ length: 60 }, (_, i) => copying.fill(`tag${i}`, 500))
  const scan = copying.from.scanSlot.bind(copying.from)
  let looked = 0
  let most = 0
  copying.from.scanSlot = (slot, token, visit) =>
    scan(slot, token, (read) => {
      looked++
      return visit(read)
    })
  copying.clock.observer = () => {
    most = Math.max(most, looked)
    looked = 0
  }
  for (const slot of slots) copying.send(slot, { ms: 500, counter: 0 })
  copying.clock.advance(100)
  assert.is(copying.done.length, 60)
  assert.is(copying.arrived.length, 60, 'the last of each slot')
  assert.ok(most < 10_000, `${most} entries in one turn`)
})

test('when the link breaks all jobs fail: those under way, the one begun, those waiting', () => {
  const copying = new Copying().connect()
  copying.back?.hold()
  const slots = [copying.fill('first', 10), copying.fill('large', 4000, KIB), copying.fill('waiting', 10)]
  for (const slot of slots) copying.send(slot)
  copying.clock.advance(20)
  assert.equal(copying.done, [])
  copying.disconnect()
  assert.equal(
    copying.done,
    slots.map((slot) => `${slot} false`),
  )
  assert.not(copying.sender.isOpen)
  copying.clock.advance(100)
  assert.is(copying.done.length, 3, 'each once')
})

test('after a break an order begins anew and from the start of its slot', () => {
  const copying = new Copying().connect()
  copying.back?.hold()
  const slot = copying.fill('large', 3000, KIB)
  copying.send(slot)
  copying.clock.advance(20)
  copying.disconnect()
  copying.arrived.length = 0
  copying.connect()
  copying.send(slot)
  copying.clock.advance(100)
  assert.equal(copying.done, [`${slot} false`, `${slot} true`])
  assert.is(new Set(copying.arrived).size, 3000)
})

test('jobs ordered without a link wait for one', () => {
  const copying = new Copying()
  const slot = copying.fill('x', 5)
  copying.send(slot)
  copying.clock.advance(1000)
  assert.equal(copying.done, [])
  copying.connect()
  copying.clock.advance(10)
  assert.equal(copying.done, [`${slot} true`])
})

test('the end of a link that was replaced is no concern of the new one', () => {
  const copying = new Copying().connect()
  const old = copying.out as FakeLink
  copying.connect()
  copying.sender.linkClosed(old)
  assert.ok(copying.sender.isOpen)
})

test('an acknowledgement stands for all messages before it', () => {
  const copying = new Copying()
  const link = new FakeLink(copying.clock, peer('to'))
  copying.sender.opened(link)
  const slots = [copying.fill('one', 300, KIB), copying.fill('two', 300, KIB)]
  for (const slot of slots) copying.send(slot)
  copying.clock.advance(10)
  assert.ok(link.sent.length >= 2)
  copying.sender.received(encodeBulkAck(link.sent.length, 3, new Map()))
  assert.is(copying.beaten, 3, 'and hears how many of its writes were beaten')
  assert.equal(
    copying.done,
    slots.map((slot) => `${slot} true`),
  )
})

test('what there was no room for is told to whoever ordered the slot, over all of its messages, and to nobody else', () => {
  const copying = new Copying()
  const link = new FakeLink(copying.clock, peer('to'))
  copying.sender.opened(link)
  const told: string[] = []
  const order = (slot: number): void =>
    copying.sender.send({
      slot,
      since: ZERO_STAMP,
      done: (delivered, refused) => told.push(`${slot} ${delivered} ${refused?.entries} ${refused?.own}`),
    })
  const [long, short] = [copying.fill('long', 600, KIB), copying.fill('short', 1)]
  order(long)
  order(short)
  copying.clock.advance(10)
  assert.ok(link.sent.length >= 3)
  copying.sender.received(encodeBulkAck(1, 0, new Map([[long, { entries: 5, own: 2 }]])))
  assert.equal(told, [])
  copying.sender.received(encodeBulkAck(2, 0, new Map()))
  copying.sender.received(encodeBulkAck(link.sent.length, 0, new Map([[long, { entries: 3, own: 1 }]])))
  assert.equal(told, [`${long} true 8 3`, `${short} true undefined undefined`])
  order(long)
  copying.clock.advance(10)
  // As a receiver of an earlier version acknowledges.
  copying.sender.received(new ByteWriter(8).u32(link.sent.length).u32(0).toBuffer())
  assert.is(told[2], `${long} true undefined undefined`)
})

test('a message that is truncated within its entries is malformed', () => {
  const copying = new Copying()
  const link = new FakeLink(copying.clock, peer('to'))
  copying.sender.opened(link)
  const slot = copying.fill('x', 3)
  copying.send(slot)
  copying.clock.advance(10)
  const whole = link.sent[0] as Buffer
  let entries = 0
  assert.is(
    readBulk(whole, () => entries++),
    1,
  )
  assert.is(entries, 3)
  for (let length = 0; length < whole.length; length++) {
    // The head alone is a message without runs.
    if (length === HEAD_BYTES) continue
    assert.throws(
      () => readBulk(whole.subarray(0, length), () => {}),
      (error: Error) => error instanceof MalformedError,
      `${length} bytes`,
    )
  }
})

function message(...entries: readonly Buffer[]): Buffer {
  const writer = new ByteWriter().u8(PROTOCOL_MIN).u8(PROTOCOL_MAX).u32(9).u16(5).u8(1).u32(entries.length)
  for (const each of entries) writer.block(each)
  return writer.toBuffer()
}

function encoded(of: Entry): Buffer {
  const writer = new ByteWriter()
  encodeEntry(writer, of)
  return writer.toBuffer()
}

test('an entry with more than is known is read for what is known, and the next one too', () => {
  const keys: string[] = []
  const longer = Buffer.concat([encoded(entry('one', 'v', 1)), Buffer.from('from tomorrow')])
  assert.is(
    readBulk(message(longer, encoded(entry('two', 'v', 2))), (read, slot) => keys.push(`${slot} ${read.keyBytes()}`)),
    9,
  )
  assert.equal(keys, ['5 one', '5 two'])
})

test('an entry does not read into the one behind it', () => {
  const whole = encoded(entry('one', 'v', 1))
  assert.throws(() => readBulk(message(whole.subarray(0, -1), whole), () => {}), malformed)
})

test('a run that claims four billion entries ends where its bytes do', () => {
  const claim = message()
  claim.writeUInt32BE(0xffffffff, claim.length - 4)
  assert.throws(() => readBulk(claim, () => {}), malformed)
})

test('a snapshot of protocols that are not spoken here is refused, one whose range reaches ours is read', () => {
  for (const [min, max, read] of [
    [PROTOCOL_MAX + 1, PROTOCOL_MAX + 2, false],
    [0, PROTOCOL_MIN - 1, false],
    [0, PROTOCOL_MAX + 2, true],
  ] as const) {
    const snapshot = message()
    snapshot[0] = min
    snapshot[1] = max
    if (read)
      assert.is(
        readBulk(snapshot, () => {}),
        9,
      )
    else assert.throws(() => readBulk(snapshot, () => {}), malformed)
  }
})

test.run()
