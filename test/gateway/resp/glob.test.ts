import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { matchesGlob } from '../../../src/gateway/resp/glob.ts'

const test = suite('gateway/resp/glob')

const CASES: readonly [pattern: string, text: string, matches: boolean][] = [
  ['', '', true],
  ['', 'a', false],
  ['*', '', true],
  ['*', 'anything', true],
  ['**a', 'bba', true],
  ['h?llo', 'hello', true],
  ['h?llo', 'hllo', false],
  ['h*llo', 'heeeello', true],
  ['h*llo', 'heeeell', false],
  ['h[ae]llo', 'hallo', true],
  ['h[ae]llo', 'hillo', false],
  ['h[^e]llo', 'hallo', true],
  ['h[^e]llo', 'hello', false],
  ['h[a-b]llo', 'hbllo', true],
  ['h[b-a]llo', 'hallo', true],
  ['h[a-b]llo', 'hcllo', false],
  ['[\\]]', ']', true],
  ['[a', 'a', true],
  ['[a', 'b', false],
  ['[]', 'a', false],
  ['[^]', 'a', true],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['\\', '\\', true],
  ['a*b*c', 'axbxbxc', true],
  ['a*b*c', 'axbxbx', false],
  ['*.jpg', 'a.jpg.jpg', true],
  ['a?', 'a', false],
]

for (const [pattern, text, matches] of CASES) {
  test(`${JSON.stringify(pattern)} ${matches ? 'matches' : 'does not match'} ${JSON.stringify(text)}`, () => {
    assert.is(matchesGlob(Buffer.from(pattern), Buffer.from(text)), matches)
  })
}

test('case is ignored when asked to', () => {
  assert.ok(matchesGlob(Buffer.from('MaxM*[A-C]'), Buffer.from('maxmemoryB'), 0, 10, true))
  assert.not(matchesGlob(Buffer.from('MAX'), Buffer.from('max')))
})

test('a part of the bytes is matched', () => {
  assert.ok(matchesGlob(Buffer.from('b*d'), Buffer.from('abcde'), 1, 4))
})

test('many stars cost no more than pattern times text', () => {
  const startedMs = performance.now()
  assert.not(matchesGlob(Buffer.from(`${'a*'.repeat(500)}b`), Buffer.from('a'.repeat(20_000))))
  assert.ok(performance.now() - startedMs < 1_000)
})

test('a match that takes more than 65,536 steps counts as none', () => {
  const costly = Buffer.from(`*${'a'.repeat(500)}b*`)
  assert.ok(matchesGlob(costly, Buffer.from(`${'a'.repeat(600)}bc`)))
  assert.not(matchesGlob(costly, Buffer.from(`${'a'.repeat(1000)}bc`)))
  const classes = Buffer.from(`*${`[${'x'.repeat(90)}a]`.repeat(10)}b*`)
  assert.ok(matchesGlob(classes, Buffer.from(`${'a'.repeat(20)}bc`)))
  assert.not(matchesGlob(classes, Buffer.from(`${'a'.repeat(1000)}bc`)))
  assert.ok(matchesGlob(Buffer.from('a'.repeat(1024)), Buffer.from('a'.repeat(1024))))
  const startedMs = performance.now()
  for (let i = 0; i < 1000; i++) matchesGlob(costly, Buffer.from('a'.repeat(1024)))
  assert.ok(performance.now() - startedMs < 3_000)
})

test('bytes above 127 and zero bytes are bytes like others', () => {
  assert.ok(matchesGlob(Buffer.from([0x00, 0x2a, 0xff]), Buffer.from([0x00, 0x80, 0x81, 0xff])))
})

test.run()
