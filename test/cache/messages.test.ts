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
  encodeError,
  encodeOperation,
  encodePage,
  encodeScan,
  type Operation,
  type ScanRequest,
} from '../../src/cache/messages.ts'
import { ByteReader, ByteWriter, MalformedError } from '../../src/lib/bytes.ts'
import { Entry, VALUE_JSON, VALUE_STRING } from '../../src/lib/entry.ts'
import { ERRORS, type ErrorCode } from '../../src/lib/errors.ts'
import { fill, type Held, read } from '../store/held.ts'

const test = suite('cache messages')

const malformed = (error: Error): boolean => error instanceof MalformedError
const plain = { noNullPrototype: true }
const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array))

const operations: fc.Arbitrary<Operation> = fc.record(
  {
    code: fc.integer({ min: 0, max: 255 }),
    key: bytes,
    value: bytes,
    kind: fc.constantFrom(VALUE_STRING, VALUE_JSON),
    ttlMs: fc.option(fc.oneof(fc.constantFrom(0, 0.5, 1, 315_360_000_000), fc.double({ min: 0, max: 1e15, noNaN: true }))),
  },
  plain,
)

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

test('an operation comes back as it went in', () => {
  fc.assert(
    fc.property(operations, fc.nat(), (operation, patienceMs) =>
      assert.equal(decodeOperation(encodeOperation(operation, patienceMs)), { operation, patienceMs }),
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
  const operation: Operation = { code: 2, key: Buffer.from('key'), value: Buffer.from('value'), kind: VALUE_STRING, ttlMs: 5 }
  const scan: ScanRequest = { primaryVersion: 1, prefix: Buffer.from('p'), suffix: Buffer.from('s'), after: Buffer.from('a'), values: true }
  const page = { entries: [fill(new Entry(), held('a', 'one'))], lookedTo: Buffer.from('b') }
  const cases: readonly (readonly [Buffer, (body: Buffer) => unknown])[] = [
    [encodeOperation(operation, 5000), decodeOperation],
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

test.run()
