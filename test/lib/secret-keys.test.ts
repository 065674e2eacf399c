/** Keys from text, and every way in which they can be wrong, none of which repeats what was given. */
import { inspect } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SecretKeys } from '../../src/lib/secret-keys.ts'

const test = suite('secret keys')

const A = Buffer.alloc(32, 1).toString('base64')
const B = Buffer.alloc(16, 2).toString('base64')
const SECRET = 'c2VjcmV0'

function refusal(texts: readonly string[]): string {
  try {
    SecretKeys.parse(texts)
  } catch (error) {
    assert.instance(error, RangeError)
    return (error as Error).message
  }
  return 'taken'
}

test('keys are read in order, with and without padding', () => {
  const keys = SecretKeys.parse([A, B.replace(/=+$/, '')])
  assert.equal(keys.bytes(), [Buffer.alloc(32, 1), Buffer.alloc(16, 2)])
})

for (const [what, texts, reason] of [
  ['no key', [], /there are 0 keys/],
  ['nine keys', Array(9).fill(A), /there are 9 keys/],
  ['a short one', [A, SECRET], /^key 2 has 6 bytes, but must have 16 to 64$/],
  ['a long one', [Buffer.alloc(65).toString('base64')], /^key 1 has 65 bytes/],
  ['no base64', [`${A.slice(0, -2)}!=`], /^key 1 is not base64$/],
  ['base64 that stops in the middle of a byte', [`${A.slice(0, -1)}AA`], /^key 1 is not base64$/],
  ['an empty one', [A, ''], /^key 2 is not base64$/],
  ['one twice', [A, A], /^key 2 is there twice$/],
] as const) {
  test(`${what} is refused, and not quoted`, () => {
    const message = refusal(texts)
    assert.match(message, reason)
    for (const text of texts) if (text !== '') assert.not.ok(message.includes(text), message)
  })
}

test('nothing shows them by showing all there is', () => {
  const keys = SecretKeys.parse([A])
  for (const shown of [JSON.stringify({ keys }), inspect({ keys }, { depth: 9, showHidden: true }), String(keys)]) {
    assert.not.ok(shown.includes(A), shown)
    assert.not.ok(shown.includes('01 01'), shown)
  }
})

test('two sets are equal when they hold the same keys in the same order', () => {
  const both = SecretKeys.parse([A, B])
  assert.ok(both.equals(SecretKeys.parse([A, B])))
  assert.not.ok(both.equals(SecretKeys.parse([B, A])))
  assert.not.ok(both.equals(SecretKeys.parse([A])))
})

test.run()
