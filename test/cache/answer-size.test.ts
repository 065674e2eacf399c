/** The bound on a transaction's answer: never below what the answer has, and close to it where nothing is uncertain. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answerBytes } from '../../src/cache/answer-size.ts'
import { MAX_ANSWER_BYTES } from '../../src/cache/errand.ts'
import { ANSWER_DONE, ANSWER_ERROR, decodeError, encodeTransaction, KIND_TRANSACTION } from '../../src/cache/messages.ts'
import {
  EXPIRY_IN,
  HEAD,
  IF_ABSENT,
  OPERATION_APPEND,
  OPERATION_COPY,
  OPERATION_DESCRIBE,
  OPERATION_EXPIRE,
  OPERATION_INCREMENT,
  OPERATION_INCREMENT_FLOAT,
  OPERATION_RENAME,
  OPERATION_REQUIRE,
  OPERATION_SET_RANGE,
  type Operation,
  WANT_OLD,
} from '../../src/cache/operation.ts'
import { ByteReader } from '../../src/lib/bytes.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { deleteOf, getOf, operationOf, setOf } from '../support/operations.ts'
import { MIB, SLOT, trio } from './trio.ts'

const test = suite('answer size')

const KEYS = ['k', '{k}2', '{k}3']

function randomOperation(random: SeededRandom): Operation {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T
  const key = pick(KEYS)
  const value = 'v'.repeat(Math.floor(random.next() * 20_000))
  const change = { flags: pick([0, WANT_OLD]), condition: pick([0, 0, IF_ABSENT]) }
  return pick([
    () => getOf(key),
    () => getOf(key),
    () => getOf(key, { flags: HEAD }),
    () => setOf(key, value, change),
    () => setOf(key, value, { expiry: EXPIRY_IN, expiryMs: 1000 }),
    () => deleteOf(key, change),
    () => operationOf(OPERATION_APPEND, key, value),
    () => operationOf(OPERATION_SET_RANGE, key, value, { offset: Math.floor(random.next() * 30_000) }),
    () => operationOf(OPERATION_RENAME, key, pick(KEYS)),
    () => operationOf(OPERATION_COPY, key, pick(KEYS)),
    () => operationOf(OPERATION_EXPIRE, key, '', { flags: WANT_OLD, expiry: EXPIRY_IN, expiryMs: 1000 }),
    () => operationOf(OPERATION_INCREMENT, '{k}n', '1'),
    () => operationOf(OPERATION_INCREMENT_FLOAT, '{k}n', '1e4000'),
    () => operationOf(OPERATION_DESCRIBE, key),
    () => operationOf(OPERATION_REQUIRE, key, '', { condition: IF_ABSENT, offset: Math.floor(random.next() * 4) }),
  ])()
}

/** What `b` answers when `a` has it execute these. */
function answerOf({ a, clock }: ReturnType<typeof trio>, list: readonly Operation[]): Buffer {
  let answer: Buffer | null = null
  a.call('b', KIND_TRANSACTION, encodeTransaction(list, SLOT, 1000), 1000, (_failure, body) => {
    answer = body
  })
  clock.advance(10)
  return answer as unknown as Buffer
}

test('no answer is longer than was found before: 300 random transactions', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed)
    const three = trio()
    for (const key of KEYS) if (random.next() < 0.7) three.b.put(key, 'x'.repeat(Math.floor(random.next() * 20_000)))
    const list = Array.from({ length: 1 + Math.floor(random.next() * 12) }, () => randomOperation(random))
    const lengthOf = (key: Buffer, start: number, end: number): number => {
      const found = three.b.get(key.toString('latin1', start, end)).outcome
      return found.startsWith('hit ') ? found.length - 4 : 0
    }
    const bound = answerBytes(list, lengthOf, 16 * MIB)
    const answer = answerOf(three, list)
    assert.is(answer[0], ANSWER_DONE, `seed ${seed}`)
    assert.ok(answer.length <= bound, `seed ${seed}: ${answer.length} bytes, and ${bound} were found`)
  }
})

test('what is certain counts as it is: values set and read in one transaction, and keys that are overwritten before they are read', () => {
  const lengths = () => 10 * MIB
  const bytes = answerBytes([setOf('k', 'v'.repeat(1000)), getOf('k'), getOf('k', { flags: HEAD })], lengths, 16 * MIB)
  assert.ok(bytes >= 1000 && bytes < 2000, `${bytes}`)
  assert.ok(answerBytes([setOf('k', 'v', { condition: IF_ABSENT }), getOf('k')], lengths, 16 * MIB) > 10 * MIB)
})

test('where nothing is read no key is looked at', () => {
  const look = (): number => {
    throw new Error('looked')
  }
  const list = [setOf('k', 'v'), deleteOf('k'), operationOf(OPERATION_APPEND, 'k', 'v'), operationOf(OPERATION_REQUIRE, 'k')]
  assert.ok(answerBytes(list, look, MIB) < 1000)
})

test('a transaction whose answer would be too long for a peer is refused before any of it is executed, by a limit that is named', () => {
  const three = trio({ maxMemoryBytes: 128 * MIB })
  three.b.put('k', 'x'.repeat(MIB))
  const reads = Array.from({ length: 40 }, () => getOf('k'))
  const before = three.b.written.length
  const answer = answerOf(three, [operationOf(OPERATION_INCREMENT, '{k}n', '1'), ...reads])
  const reader = new ByteReader(answer)
  assert.is(reader.u8(), ANSWER_ERROR)
  const { code, message } = decodeError(reader)
  assert.is(code, 'MESSAGE_TOO_LARGE')
  assert.match(message, `over the limit of ${MAX_ANSWER_BYTES}`)
  assert.match(message, 'nothing was executed')
  assert.is(three.b.written.length, before)
  assert.ok(answerOf(three, reads.slice(0, 32)).length > 32 * MIB, 'below the limit it is answered')
})

test('whoever asked for too much hears so, once, and nothing is sent again', () => {
  const three = trio({ maxMemoryBytes: 128 * MIB })
  three.b.put('k', 'x'.repeat(MIB))
  const asked = three.a.transact(Array.from({ length: 70 }, () => getOf('k')))
  three.clock.advance(10_000)
  assert.equal([asked.state, asked.times, asked.told.size], ['MESSAGE_TOO_LARGE', 1, 0])
  assert.equal(three.network.log, [`a>b ${KIND_TRANSACTION}`])
})

test.run()
