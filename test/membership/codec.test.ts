/** Packets and exchanges as bytes: whole, truncated, garbled, from tomorrow's version and from another cluster. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteReader, ByteWriter, MalformedError } from '../../src/lib/bytes.ts'
import { NO_PORTS } from '../../src/lib/face-ports.ts'
import {
  Codec,
  type ExchangeMessage,
  encodeMessage,
  type GossipMessage,
  MAX_MESSAGES,
  MAX_PUSH_PULL_MEMBERS,
  PACKET_HEAD_BYTES,
} from '../../src/membership/codec.ts'
import { CODE_BYTES } from '../../src/membership/key-ring.ts'
import { MAX_META_BYTES, type MemberState } from '../../src/membership/membership.ts'
import { MAX_ORDINAL } from '../../src/membership/record.ts'
import { decodeRecord, encodeMeta, encodeRecord } from '../../src/membership/record-codec.ts'
import { meta } from './flock.ts'
import { record } from './samples.ts'

const test = suite('codec')

const codec = new Codec('flock')
const life = { name: 'a-0', generation: 123_456_789 }
const other = { name: 'b-0', generation: 5 }
const MESSAGES: readonly GossipMessage[] = [
  { type: 'ping', sequence: 2 ** 32 - 1, target: life, source: other },
  { type: 'ping-request', sequence: 1, target: life, address: '[::1]:7946', nackAfterMs: 240 },
  { type: 'ack', sequence: 0, from: life, hung: false },
  { type: 'ack', sequence: 8, from: life, hung: true, clock: { clockMs: 1_767_225_600_001, wallMs: 2 ** 48 - 1, settled: true } },
  { type: 'ack', sequence: 9, from: life, hung: false, clock: { clockMs: 0, wallMs: 7, settled: false } },
  { type: 'nack', sequence: 77 },
  { type: 'member', record: record() },
  { type: 'member', record: record({ state: 'suspect', accuser: 'b-0' }) },
  { type: 'member', record: record({ state: 'dead', fact: true }) },
  { type: 'member', record: record({ state: 'left', meta: { ...meta('u'), leaving: true, forGood: true, tableVersion: 2 ** 40 } }) },
]
const EXCHANGES: readonly ExchangeMessage[] = [
  { type: 'ping', sequence: 0, target: life, source: other },
  { type: 'ack', sequence: 9, from: life, hung: true },
  { type: 'push-pull', source: life, records: [] },
  { type: 'push-pull', source: life, records: [record(), record({ name: 'b-0', state: 'dead' })] },
]
const PACKET = codec.encodePacket(MESSAGES.map(encodeMessage))

test('every message comes out as it went in', () => {
  assert.equal(codec.decodePacket(PACKET), { ok: true, value: MESSAGES })
  for (const message of EXCHANGES) assert.equal(codec.decodeExchange(codec.encodeExchange(message)), { ok: true, value: message })
})

test('what is truncated at any byte is malformed', () => {
  for (let length = 0; length < PACKET.length; length++) {
    assert.equal(codec.decodePacket(PACKET.subarray(0, length)), { ok: false, reason: 'malformed' }, `${length} bytes`)
  }
  for (const message of EXCHANGES) {
    const whole = codec.encodeExchange(message)
    for (let length = 0; length < whole.length; length++) {
      assert.equal(codec.decodeExchange(whole.subarray(0, length)), { ok: false, reason: 'malformed' }, `${length} bytes`)
    }
  }
})

test('garbage, behind a head or without one, is refused or read, and never throws', () => {
  const head = PACKET.subarray(0, PACKET_HEAD_BYTES - 1)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      for (const garbage of [Buffer.from(bytes), Buffer.concat([head, bytes])]) {
        codec.decodePacket(garbage)
        codec.decodeExchange(garbage)
      }
    }),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(fc.nat(PACKET.length - 1), fc.nat(255), (at, value) => {
      const garbled = Buffer.from(PACKET)
      garbled[at] = value
      codec.decodePacket(garbled)
    }),
    { numRuns: 2_000 },
  )
})

test('a record of any bytes is read or malformed, and what is read can be passed on', () => {
  const bytes = encodeRecord(record({ state: 'suspect', accuser: 'b-0', extra: Buffer.from('further') }))
  const check = (garbled: Buffer): void => {
    let read: ReturnType<typeof decodeRecord>
    try {
      read = decodeRecord(garbled)
    } catch (error) {
      assert.instance(error, MalformedError)
      return
    }
    assert.ok(encodeMessage({ type: 'member', record: read }).length <= 1400 - PACKET_HEAD_BYTES - CODE_BYTES)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1400 }), (any) => check(Buffer.from(any))),
    { numRuns: 2_000 },
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }), (changes) => {
      const garbled = Buffer.from(bytes)
      for (const [at, value] of changes) garbled[at] = value
      check(garbled)
    }),
    { numRuns: 5_000 },
  )
})

test('the ports of the faces travel; a meta of the first version has none, and half of them are malformed', () => {
  const facePorts = { http: 1, resp: 65_535, cluster: 0, text: 4, grpc: 5 }
  const told = { ...meta('u'), facePorts }
  assert.equal(decodeRecord(encodeRecord(record({ meta: told }))).meta, told)
  const bytes = encodeMeta(told)
  const first = encodeRecord(record({ meta: told, metaBytes: bytes.subarray(0, -10) }))
  assert.equal(decodeRecord(first).meta, { ...told, facePorts: NO_PORTS })
  assert.equal(decodeRecord(first).metaBytes, bytes.subarray(0, -10), 'passed on as it came')
  for (let cut = 1; cut < 10; cut++) {
    const half = encodeRecord(record({ meta: told, metaBytes: bytes.subarray(0, -cut) }))
    assert.throws(
      () => decodeRecord(half),
      (error: unknown) => error instanceof MalformedError,
    )
  }
})

test('an address that is no UTF-8, and so would be longer when it is passed on, is malformed', () => {
  const bytes = encodeRecord(record({ address: 'x'.repeat(255) }))
  const at = bytes.indexOf('x'.repeat(255))
  bytes.fill(0xff, at, at + 255)
  assert.throws(
    () => decodeRecord(bytes),
    (error: unknown) => error instanceof MalformedError,
  )
})

test('an ack of an earlier version, which says nothing of its data path, is read', () => {
  const encoded = encodeMessage({ type: 'ack', sequence: 4, from: life, hung: true })
  const shorter = Buffer.from(encoded.subarray(0, -1))
  shorter.writeUInt16BE(shorter.length - 3, 1)
  assert.equal(codec.decodePacket(codec.encodePacket([shorter])), {
    ok: true,
    value: [{ type: 'ack', sequence: 4, from: life, hung: false }],
  })
})

test('a time that no layout holds is told as the nearest that one does, without its fraction', () => {
  const encoded = encodeMessage({
    type: 'ack',
    sequence: 4,
    from: life,
    hung: false,
    clock: { clockMs: -1, wallMs: 2 ** 50, settled: true },
  })
  const decoded = codec.decodePacket(codec.encodePacket([encoded]))
  assert.ok(decoded.ok && decoded.value[0]?.type === 'ack')
  assert.equal(decoded.value[0].clock, { clockMs: 0, wallMs: 2 ** 48 - 1, settled: true })
})

test('a version that knows no clocks reads an ack that tells one', () => {
  const encoded = encodeMessage({ type: 'ack', sequence: 4, from: life, hung: true, clock: { clockMs: 1, wallMs: 2, settled: true } })
  const reader = new ByteReader(encoded.subarray(3))
  // What such a version does: sequence, life, one byte of flags of which it knows the lowest, and no look at what follows.
  assert.equal([reader.u32(), reader.text(), reader.u48(), reader.u8() & 1], [4, life.name, life.generation, 1])
  assert.is(reader.remaining, 12)
})

test('any record comes out as it went in, and fits a packet alone', () => {
  const text = (max: number): fc.Arbitrary<string> => fc.string({ maxLength: max })
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 128 }),
      fc.nat(MAX_ORDINAL - 1),
      fc.nat(2 ** 32 - 1),
      fc.constantFrom<MemberState>('alive', 'suspect', 'dead', 'left'),
      fc.boolean(),
      fc.record({ peerAddress: text(200), uid: text(100), zone: text(100), leaving: fc.boolean(), forGood: fc.boolean() }),
      text(128),
      fc.uint8Array({ maxLength: 256 }),
      (name, ordinal, mark, state, fact, some, accuser, extra) => {
        const sent = record({
          name,
          generation: ordinal,
          incarnation: ordinal,
          mark,
          state,
          fact,
          accuser,
          meta: { ...meta('u'), ...some },
          extra: Buffer.from(extra),
        })
        assert.equal(decodeRecord(encodeRecord(sent)), sent)
        assert.ok(codec.encodePacket([encodeMessage({ type: 'member', record: sent })]).length <= 1400 - CODE_BYTES)
      },
    ),
    { numRuns: 200 },
  )
})

test('messages of unknown types are skipped, known ones around them are read', () => {
  const unknown = Buffer.from([200, 0, 5, 1, 2, 3, 4, 5])
  const nack: GossipMessage = { type: 'nack', sequence: 3 }
  const packet = codec.encodePacket([unknown, encodeMessage(nack), unknown])
  assert.equal(codec.decodePacket(packet), { ok: true, value: [nack] })
  const exchange = Buffer.concat([PACKET.subarray(0, PACKET_HEAD_BYTES - 1), new ByteWriter().u8(99).block(unknown).toBuffer()])
  assert.equal(codec.decodeExchange(exchange), { ok: true, value: null })
})

test('fields appended to any body, and bytes after the last message, are ignored', () => {
  for (const message of MESSAGES) {
    if (message.type === 'member') continue
    const encoded = encodeMessage(message)
    const appended = Buffer.concat([encoded, Buffer.from('tomorrow')])
    appended.writeUInt16BE(encoded.length - 3 + 8, 1)
    const packet = Buffer.concat([codec.encodePacket([appended]), Buffer.from('trailer')])
    assert.equal(codec.decodePacket(packet), { ok: true, value: [message] }, message.type)
  }
  for (const message of EXCHANGES) {
    const encoded = codec.encodeExchange(message)
    const appended = Buffer.concat([encoded, Buffer.from('tomorrow')])
    const lengthAt = PACKET_HEAD_BYTES
    appended.writeUInt32BE(appended.readUInt32BE(lengthAt) + 8, lengthAt)
    assert.equal(codec.decodeExchange(appended), { ok: true, value: message }, message.type)
  }
})

test('fields appended to a record or its meta by a later version are passed on', () => {
  const metaBytes = Buffer.concat([encodeMeta(meta('u')), Buffer.from('further meta')])
  const bytes = Buffer.concat([encodeRecord(record({ metaBytes })), Buffer.from('further fields')])
  const read = decodeRecord(bytes)
  assert.ok(read)
  assert.equal(read.extra, Buffer.from('further fields'))
  assert.equal(encodeRecord(read), bytes)
})

test('a record in a state that only later versions know is one of a member that is there', () => {
  const bytes = encodeRecord(record())
  const stateAt = 1 + 3 + 6 + 4 + 6
  assert.is(bytes[stateAt], 0)
  bytes[stateAt] = 9
  const message = Buffer.concat([Buffer.from([5, 0, bytes.length]), bytes])
  assert.equal(codec.decodePacket(codec.encodePacket([message])), {
    ok: true,
    value: [{ type: 'member', record: record({ state: 'alive' }) }],
  })
})

test('another cluster is foreign, an unknown beginning malformed', () => {
  assert.equal(new Codec('another').decodePacket(PACKET), { ok: false, reason: 'foreign' })
  assert.equal(new Codec('another').decodeExchange(codec.encodeExchange(EXCHANGES[0] as ExchangeMessage)), { ok: false, reason: 'foreign' })
  assert.equal(codec.decodePacket(Buffer.from('GET / HTTP/1.1\r\n\r\n')), { ok: false, reason: 'malformed' })
})

for (const [min, max, meets] of [
  [1, 1, true],
  [1, 5, true],
  [0, 1, true],
  [2, 3, false],
  [0, 0, false],
] as const) {
  test(`a sender of protocols ${min} to ${max} is ${meets ? 'read' : 'refused'} by one of 1`, () => {
    const packet = new Codec('flock', { min, max, current: max }).encodePacket([])
    assert.equal(codec.decodePacket(packet), meets ? { ok: true, value: [] } : { ok: false, reason: 'protocol' })
  })
}

test('names, metas, generations and unknown fields over their limits are malformed', () => {
  const refused = (bytes: Buffer): void => {
    assert.throws(() => decodeRecord(bytes))
    const message = Buffer.concat([Buffer.from([5, bytes.length >> 8, bytes.length & 0xff]), bytes])
    assert.equal(codec.decodePacket(codec.encodePacket([message])), { ok: false, reason: 'malformed' })
  }
  refused(encodeRecord(record({ name: '' })))
  refused(encodeRecord(record({ name: 'n'.repeat(129) })))
  refused(encodeRecord(record({ accuser: 'n'.repeat(129) })))
  refused(encodeRecord(record({ generation: MAX_ORDINAL })))
  refused(encodeRecord(record({ incarnation: MAX_ORDINAL })))
  refused(encodeRecord(record({ extra: Buffer.alloc(257) })))
  refused(encodeRecord(record({ metaBytes: Buffer.alloc(MAX_META_BYTES + 1) })))
  assert.throws(() => encodeMeta({ ...meta('u'.repeat(255)), zone: 'z'.repeat(255) }), RangeError)
})

test('a push/pull is cut at its limit of members, and one that claims more is malformed', () => {
  const records = Array.from({ length: MAX_PUSH_PULL_MEMBERS + 10 }, (_, i) => record({ name: `a-${i}` }))
  const encoded = codec.encodeExchange({ type: 'push-pull', source: life, records })
  const decoded = codec.decodeExchange(encoded)
  assert.ok(decoded.ok && decoded.value?.type === 'push-pull')
  assert.is(decoded.value.records.length, MAX_PUSH_PULL_MEMBERS)
  const countAt = PACKET_HEAD_BYTES + 4 + 1 + life.name.length + 6
  assert.is(encoded.readUInt32BE(countAt), MAX_PUSH_PULL_MEMBERS)
  encoded.writeUInt32BE(MAX_PUSH_PULL_MEMBERS + 1, countAt)
  assert.equal(codec.decodeExchange(encoded), { ok: false, reason: 'malformed' })
})

test('a push/pull of the largest records stays within 4 MiB', () => {
  const metaBytes = Buffer.concat([encodeMeta(meta('u'.repeat(200))), Buffer.alloc(200)])
  const large = record({ metaBytes, extra: Buffer.alloc(256), address: 'x'.repeat(255), accuser: 'x'.repeat(128) })
  const records = Array.from({ length: MAX_PUSH_PULL_MEMBERS }, (_, i) => ({ ...large, name: `${i}`.padEnd(128, 'x') }))
  const encoded = codec.encodeExchange({ type: 'push-pull', source: life, records })
  assert.ok(encoded.length <= 4 * 1024 * 1024)
  assert.ok(codec.decodeExchange(encoded).ok)
})

test('a packet holds 255 messages', () => {
  const nacks = Array.from({ length: MAX_MESSAGES }, () => encodeMessage({ type: 'nack', sequence: 1 }))
  const decoded = codec.decodePacket(codec.encodePacket(nacks))
  assert.ok(decoded.ok)
  assert.is(decoded.value.length, MAX_MESSAGES)
})

test.run()
