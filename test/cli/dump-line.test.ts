import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readDumpLine, writeDumpLine } from '../../src/cli/dump-line.ts'

const test = suite('cli: dump line')

test('what is written is read back, whatever the bytes', () => {
  for (const [key, value, json, ttlMs] of [
    ['k', 'v', false, null],
    ['ü "\n\u2028', '', false, 1],
    [Buffer.from([0xff, 0]), Buffer.from([0xc3]), false, 86_400_000],
    ['{"$base64":"YQ=="}', '\ufffd', false, null],
    ['n', ' 12345678901234567890', true, 5],
  ] as const) {
    const entry = { key: Buffer.from(key), value: Buffer.from(value), json, ttlMs }
    const line = writeDumpLine(entry)
    assert.is(line.indexOf('\n'), line.length - 1)
    assert.equal(readDumpLine(line), entry)
  }
})

test('text stays readable, and what does not expire says nothing of it', () => {
  assert.is(writeDumpLine({ key: Buffer.from('k'), value: Buffer.from('v'), json: false, ttlMs: null }), '{"key":"k","value":"v"}\n')
  assert.equal(readDumpLine('{"key":"k","value":"v","ttlMs":null}'), {
    key: Buffer.from('k'),
    value: Buffer.from('v'),
    json: false,
    ttlMs: null,
  })
})

test('what is malformed is told in words that do not repeat it', () => {
  for (const [line, complaint] of [
    ['secret', 'not JSON'],
    ['["secret"]', 'not a JSON object'],
    ['null', 'not a JSON object'],
    ['{"value":"secret"}', '"key" must be'],
    ['{"key":"","value":"secret"}', '"key" must be'],
    ['{"key":"k"}', '"value" must be'],
    ['{"key":"k","value":1}', '"value" must be'],
    ['{"key":"k","value":{"$base64":"se cret"}}', '"value" must be'],
    ['{"key":"k","value":{"$base64":"YQ"}}', '"value" must be'],
    ['{"key":"k","value":{"$base64":"YQ==","secret":1}}', '"value" must be'],
    ['{"key":"k","value":"\\ud800"}', '"value" must be'],
    ['{"key":"k","value":"secret","ttlMs":0}', '"ttlMs" must be'],
    ['{"key":"k","value":"secret","ttlMs":"5"}', '"ttlMs" must be'],
    ['{"key":"k","value":"secret","kind":"number"}', '"kind" must be'],
    ['{"key":"k","value":"secret","ttl":5}', 'there is no field "ttl"'],
  ] as const) {
    const answer = readDumpLine(line)
    assert.type(answer, 'string', line)
    assert.match(answer as string, complaint)
    assert.not.match(answer as string, 'secret')
  }
})

test.run()
