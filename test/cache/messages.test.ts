/** The cache's messages between members: operations, errors, scans and pages come back as they went in. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ANSWER_DONE,
  ANSWER_ERROR,
  decodeError,
  decodeOperation,
  decodePage,
  decodeScan,
  decodeSlots,
  decodeTransaction,
  encodeError,
  encodeOperation,
  encodePage,
  encodeScan,
  encodeSlots,
  encodeTransaction,
  readOutcome,
  type ScanRequest,
  type SlotsRequest,
  writeOutcome,
} from '../../src/cache/messages.ts'
import {
  ACK_ALL,
  ACK_LOCAL,
  ACK_REPLICA,
  EXPIRY_AT,
  EXPIRY_IN,
  EXPIRY_KEEP,
  EXPIRY_NONE,
  IF_UNCHANGED,
  IF_VERSION,
  OPERATION_SET,
  Operation,
  type Outcome,
  UNLESS_VERSION,
} from '../../src/cache/operation.ts'
import { ByteReader, ByteWriter, MalformedError } from '../../src/lib/bytes.ts'
import { Entry, VALUE_JSON, VALUE_STRING } from '../../src/lib/entry.ts'
import { ERRORS, type ErrorCode } from '../../src/lib/errors.ts'
import { fill, type Held, read } from '../store/held.ts'

const test = suite('cache messages')

const malformed = (error: Error): boolean => error instanceof MalformedError
const plain = { noNullPrototype: true }
const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array))

const EXPIRIES = [EXPIRY_NONE, EXPIRY_KEEP, EXPIRY_IN, EXPIRY_AT] as const
/** Conditions that name a version; that of others does not travel. */
const NAMING: readonly number[] = [IF_VERSION, UNLESS_VERSION, IF_UNCHANGED]

const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const stampMs = fc.integer({ min: 0, max: 2 ** 47 })
const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffffffff })
const u8 = fc.integer({ min: 0, max: 255 })
const names = fc.string({ maxLength: 63 })

/** Key and value lie in the midst of other bytes, as they do in what a client sent. */
const operations: fc.Arbitrary<Operation> = fc
  .record({
    code: u8,
    flags: u8,
    condition: fc.oneof(fc.constantFrom(...NAMING), u8),
    expiry: fc.constantFrom(...EXPIRIES),
    expiryMs: fc.oneof(fc.constantFrom(0, 0.5, 1, -1, 2 ** 47, -(2 ** 47)), fc.double({ min: -(2 ** 47), max: 2 ** 47, noNaN: true })),
    kind: fc.constantFrom(VALUE_STRING, VALUE_JSON),
    offset: fc.oneof(fc.constant(0), u32),
    ack: fc.constantFrom(ACK_LOCAL, ACK_REPLICA, ACK_ALL),
    key: bytes,
    value: bytes,
    ms: u48,
    counter: u16,
    writer: names,
  })
  .map(({ code, key, value, ...rest }) => {
    const all = Buffer.concat([Buffer.from('<<'), key, Buffer.from('|'), value, Buffer.from('>>')])
    const operation = new Operation().reset(code).setKey(all, 2, 2 + key.length)
    return Object.assign(operation.setValue(all, 3 + key.length, 3 + key.length + value.length), rest)
  })

/** What of an operation has a meaning, and so has to arrive. */
function meaning(operation: Operation): object {
  const { code, flags, condition, expiry, expiryMs, ack, kind, offset, key, keyStart, keyEnd, value, valueStart, valueEnd } = operation
  const version = NAMING.includes(condition) ? { ms: operation.ms, counter: operation.counter, writer: operation.writer } : null
  return {
    code,
    flags,
    condition,
    expiry: expiry === EXPIRY_NONE ? [expiry] : [expiry, expiryMs],
    ack,
    kind,
    offset,
    key: Buffer.from(key.subarray(keyStart, keyEnd)),
    value: Buffer.from(value.subarray(valueStart, valueEnd)),
    version,
  }
}

const outcomes: fc.Arbitrary<{ outcome: Outcome; entry: Held | null }> = fc
  .record(
    {
      error: fc.option(fc.constantFrom(...(Object.keys(ERRORS) as ErrorCode[]))),
      existed: fc.boolean(),
      written: fc.boolean(),
      length: u32,
      described: fc.option(
        fc.record({ idleMs: fc.integer({ min: -1, max: 2 ** 48 }), frequency: fc.integer({ min: -1, max: 255 }) }, plain),
      ),
      ms: stampMs,
      counter: u16,
      writer: names,
      entry: fc.option(
        fc.record(
          {
            key: fc.string(),
            value: fc.string(),
            kind: fc.constantFrom(VALUE_STRING, VALUE_JSON),
            tombstone: fc.boolean(),
            expiresAtMs: u48,
            ms: stampMs,
            counter: u16,
            writer: names,
          },
          plain,
        ),
      ),
    },
    plain,
  )
  .map(({ described, entry, ...rest }) => ({
    outcome: { ...rest, ...(described ?? { idleMs: -1, frequency: -1 }), entry: entry === null ? null : fill(new Entry(), entry) },
    entry,
  }))

const scans: fc.Arbitrary<ScanRequest> = fc.record(
  {
    primaryVersion: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    prefix: bytes,
    suffix: bytes,
    after: fc.option(bytes),
    values: fc.boolean(),
  },
  plain,
)

const held = (key: string, value: string): Held => ({
  key,
  value,
  kind: VALUE_JSON,
  tombstone: false,
  expiresAtMs: 77,
  ms: 5,
  counter: 6,
  writer: 'w',
})

class NoOutcome implements Outcome {
  readonly error = null
  readonly existed = true
  readonly written = false
  readonly entry = null
  readonly length = 0
  readonly idleMs = -1
  readonly frequency = -1
  readonly ms = 0
  readonly counter = 0
  readonly writer = ''
}

test('an operation comes back as it went in', () => {
  fc.assert(
    fc.property(operations, u16, fc.nat(), (operation, slot, patienceMs) => {
      const asked = decodeOperation(encodeOperation(operation, slot, patienceMs))
      assert.equal({ ...asked, operations: asked.operations.map(meaning) }, { slot, patienceMs, operations: [meaning(operation)] })
    }),
  )
})

test('a transaction comes back as it went in, its operations in order', () => {
  fc.assert(
    fc.property(fc.array(operations, { maxLength: 8 }), u16, fc.nat(), (list, slot, patienceMs) => {
      const asked = decodeTransaction(encodeTransaction(list, slot, patienceMs))
      assert.equal({ ...asked, operations: asked.operations.map(meaning) }, { slot, patienceMs, operations: list.map(meaning) })
    }),
  )
})

test('a patience that is over is none, and a fraction of it is rounded down', () => {
  for (const [given, read] of [
    [-5, 0],
    [0, 0],
    [4.9, 4],
  ] as const) {
    assert.is(decodeOperation(encodeOperation(new Operation(), 0, given)).patienceMs, read)
    assert.is(decodeTransaction(encodeTransaction([], 0, given)).patienceMs, read)
  }
})

test('an outcome comes back as it went in', () => {
  fc.assert(
    fc.property(fc.array(outcomes, { minLength: 1, maxLength: 4 }), (list) => {
      const writer = new ByteWriter()
      for (const { outcome } of list) writeOutcome(writer, outcome)
      const reader = new ByteReader(writer.toBuffer())
      for (const { outcome, entry } of list) {
        const back = readOutcome(reader)
        assert.equal({ ...back, entry: null }, { ...outcome, entry: null })
        assert.equal(back.entry === null ? null : read(back.entry), entry)
      }
      assert.is(reader.remaining, 0)
    }),
  )
})

test('an error that is not known here is INTERNAL, whatever its name', () => {
  for (const name of ['FROM_TOMORROW', 'toString', '__proto__', 'constructor', '']) {
    const answer = new ByteWriter().text(name).block(Buffer.from('x')).toBuffer()
    assert.equal(decodeError(new ByteReader(answer)), { code: 'INTERNAL', message: 'x' }, name)
  }
})

test('an expiry that is no moment, or an expiry mode that there is not, is malformed', () => {
  for (const expiryMs of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 47 + 1, -(2 ** 48)]) {
    const operation = new Operation().reset(OPERATION_SET).setKey(Buffer.from('k')).setExpiry(EXPIRY_AT, expiryMs)
    assert.throws(() => decodeOperation(encodeOperation(operation, 1, 5)), malformed, `${expiryMs}`)
  }
  const operation = new Operation().reset(OPERATION_SET).setKey(Buffer.from('k')).setExpiry(EXPIRY_AT, 5)
  const body = encodeOperation(operation, 1, 5)
  const at = body.indexOf(EXPIRY_AT, 11)
  for (const mode of [EXPIRY_NONE, 4, 255]) {
    body[at] = mode
    assert.throws(() => decodeOperation(body), malformed, `mode ${mode}`)
  }
})

test('an offset that is over 32 bits arrives as one that is out of reach', () => {
  for (const offset of [2 ** 32 - 1, 2 ** 32, 2 ** 32 + 5, 2 ** 53]) {
    const operation = new Operation().reset(OPERATION_SET).setKey(Buffer.from('k'))
    operation.offset = offset
    assert.is(decodeOperation(encodeOperation(operation, 1, 5)).operations[0]?.offset, 2 ** 32 - 1)
  }
})

test('a request for slots comes back as it went in', () => {
  fc.assert(
    fc.property(fc.record<SlotsRequest>({ primaryVersion: u48, cursor: u32, count: u32 }, plain), (request) =>
      assert.equal(decodeSlots(encodeSlots(request)), request),
    ),
  )
})

test('a scan comes back as it went in', () => {
  fc.assert(fc.property(scans, (scan) => assert.equal(decodeScan(encodeScan(scan)), scan)))
})

test('every error comes back with its message, an unknown code as INTERNAL', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const reader = new ByteReader(encodeError(code, `why: ${code} ☹`))
    assert.is(reader.u8(), ANSWER_ERROR)
    assert.equal(decodeError(reader), { code, message: `why: ${code} ☹` })
  }
  const unknown = new ByteWriter().text('FROM_TOMORROW').block(Buffer.from('x')).toBuffer()
  assert.equal(decodeError(new ByteReader(unknown)), { code: 'INTERNAL', message: 'x' })
})

test('a page comes back, its entries owning their bytes, with or without values', () => {
  const entries = [held('a', 'one'), held('b', ''), held('\xff\x00', 'three')].map((each) => fill(new Entry(), each))
  for (const lookedTo of [null, Buffer.from('b'), Buffer.alloc(0)]) {
    for (const values of [true, false]) {
      const body = encodePage({ entries, lookedTo }, values)
      const reader = new ByteReader(body)
      assert.is(reader.u8(), ANSWER_DONE)
      const page = decodePage(reader)
      body.fill(0)
      assert.equal(page.lookedTo, lookedTo)
      const wanted = entries.map(read).map((each) => (values ? each : { ...each, value: '' }))
      assert.equal(page.entries.map(read), wanted)
    }
  }
})

test('what is truncated at any byte is malformed', () => {
  const operation = new Operation().reset(OPERATION_SET).setKey(Buffer.from('key')).setValue(Buffer.from('value')).setExpiry(EXPIRY_IN, 5)
  operation.condition = IF_VERSION
  operation.offset = 7
  operation.setVersion(1, 2, 'writer')
  const entry = fill(new Entry(), held('a', 'one'))
  const outcome: Outcome = {
    error: 'OVERFLOW',
    existed: true,
    written: true,
    entry,
    length: 3,
    idleMs: 4,
    frequency: 5,
    ms: 6,
    counter: 7,
    writer: 'w',
  }
  const told = new ByteWriter()
  writeOutcome(told, outcome)
  const scan: ScanRequest = { primaryVersion: 1, prefix: Buffer.from('p'), suffix: Buffer.from('s'), after: Buffer.from('a'), values: true }
  const page = { entries: [fill(new Entry(), held('a', 'one'))], lookedTo: Buffer.from('b') }
  const cases: readonly (readonly [Buffer, (body: Buffer) => unknown])[] = [
    [encodeOperation(operation, 9, 5000), decodeOperation],
    [encodeTransaction([operation, operation], 9, 5000), decodeTransaction],
    [told.toBuffer(), (body) => readOutcome(new ByteReader(body))],
    [encodeSlots({ primaryVersion: 1, cursor: 2, count: 3 }), decodeSlots],
    [encodeScan(scan), decodeScan],
    [encodePage(page, true).subarray(1), (body) => decodePage(new ByteReader(body))],
    [encodeError('BUSY', 'why').subarray(1), (body) => decodeError(new ByteReader(body))],
  ]
  for (const [whole, decode] of cases) {
    for (let length = 0; length < whole.length; length++)
      assert.throws(() => decode(whole.subarray(0, length)), malformed, `${length} bytes`)
  }
})

test('a page that claims four billion entries ends where its bytes do', () => {
  assert.throws(() => decodePage(new ByteReader(new ByteWriter().u8(0).u32(0xffffffff).toBuffer())), malformed)
})

test('no length that comes over the wire is believed further than the bytes that came with it', () => {
  const operation = new Operation().reset(OPERATION_SET).setKey(Buffer.from('key')).setValue(Buffer.from('value'))
  const single = encodeOperation(operation, 9, 5000)
  const many = encodeTransaction([operation], 9, 5000)
  const outcome = new ByteWriter()
  writeOutcome(outcome, { ...new NoOutcome(), entry: fill(new Entry(), held('a', 'one')) })
  const cases: readonly (readonly [Buffer, (body: Buffer) => unknown])[] = [
    [single, decodeOperation],
    [many, decodeTransaction],
    [outcome.toBuffer(), (body) => readOutcome(new ByteReader(body))],
  ]
  for (const [whole, decode] of cases) {
    for (let at = 0; at + 4 <= whole.length; at++) {
      const body = Buffer.from(whole)
      body.writeUInt32BE(0xffffffff, at)
      const before = process.memoryUsage().arrayBuffers
      try {
        decode(body)
      } catch (error) {
        assert.ok(malformed(error as Error), `four large bytes at ${at}: ${error}`)
      }
      assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024, `four large bytes at ${at}`)
    }
  }
})

test.run()
