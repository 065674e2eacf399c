/** What the fast lane takes for a request that it may answer; fast-lane.test.ts compares it with the ordinary server. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PlainGet } from '../../../src/gateway/http/plain-get.ts'

const test = suite('plain get')

const FIELDS = 'Host: x\r\nUser-Agent: y\r\n\r\n'

function keyOf(get: PlainGet, text: string, at = 0): string | null {
  const chunk = Buffer.from(text)
  return get.match(chunk, at) === -1 ? null : chunk.toString('latin1', get.keyStart, get.keyEnd)
}

test('the key and the end of a request are found, wherever in a chunk it stands', () => {
  const request = `GET /get/a/b HTTP/1.1\r\n${FIELDS}`
  const chunk = Buffer.from(`junk${request}more`)
  const get = new PlainGet(8)
  for (const _ of ['judged', 'known']) {
    assert.is(get.match(chunk, 4), 4 + request.length)
    assert.is(chunk.toString('latin1', get.keyStart, get.keyEnd), 'a/b')
  }
  assert.is(get.match(chunk, 3), -1)
})

test('a request that is not whole is none, whether its fields are known or not', () => {
  const request = `GET /get/a HTTP/1.1\r\n${FIELDS}`
  const knowing = new PlainGet(8)
  assert.is(keyOf(knowing, request), 'a')
  for (let length = 0; length < request.length; length++) {
    assert.is(keyOf(new PlainGet(8), request.slice(0, length)), null)
    assert.is(keyOf(knowing, request.slice(0, length)), null)
  }
})

test('fields that were known are judged anew when they differ in a byte', () => {
  const get = new PlainGet(8)
  assert.is(keyOf(get, `GET /get/a HTTP/1.1\r\n${FIELDS}`), 'a')
  const changed = [...FIELDS].map((_, at) => `${FIELDS.slice(0, at)}\n${FIELDS.slice(at + 1)}`).filter((fields) => fields !== FIELDS)
  for (const fields of changed) assert.is(keyOf(get, `GET /get/a HTTP/1.1\r\n${fields}`), null, JSON.stringify(fields))
  assert.is(keyOf(get, `GET /get/a HTTP/1.1\r\n${FIELDS.replace('y', 'z')}`), 'a')
  const long = FIELDS.replace('y', 'y'.repeat(500))
  for (const _ of ['judged', 'known']) assert.is(keyOf(get, `GET /get/a HTTP/1.1\r\n${long}`), 'a')
  assert.is(keyOf(get, `GET /get/a HTTP/1.1\r\n${long.replace('yy\r', 'y\0\r')}`), null)
})

test('a key has at least one byte and at most so many', () => {
  for (const [key, taken] of [
    ['', false],
    ['a', true],
    ['a'.repeat(8), true],
    ['a'.repeat(9), false],
  ] as const) {
    assert.is(keyOf(new PlainGet(8), `GET /get/${key} HTTP/1.1\r\n${FIELDS}`), taken ? key : null)
  }
})

test('bytes that decoders could differ about are in no key', () => {
  for (let byte = 0; byte < 256; byte++) {
    const chunk = Buffer.concat([Buffer.from('GET /get/k'), Buffer.from([byte]), Buffer.from(` HTTP/1.1\r\n${FIELDS}`)])
    const plain = /^[A-Za-z0-9\-._~!$&'()*+,;=:@/]$/.test(String.fromCharCode(byte))
    assert.is(new PlainGet(8).match(chunk, 0) !== -1, plain, String(byte))
  }
})

test.run()
