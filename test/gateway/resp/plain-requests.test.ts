/** Plain requests: what the recogniser takes is just what the parser would have read, and what it does not know it leaves. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { COMMAND, Parser } from '../../../src/gateway/resp/parser.ts'
import { readPlainRequests } from '../../../src/gateway/resp/plain-requests.ts'
import { SeededRandom } from '../../../src/lib/random.ts'
import { NO_VALUE, RequestRun, RUN_CAPACITY } from '../../../src/lib/request-run.ts'

const test = suite('gateway/resp/plain-requests')

const LIMITS = { maxKeyBytes: 20, maxValueBytes: 30 }

function bulks(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`
}

/** What is recognised at the beginning, each as its words, and where that ends. */
function read(bytes: Buffer, from: number = 0, to: number = bytes.length): { readonly requests: string[][]; readonly end: number } {
  const run = new RequestRun()
  readPlainRequests(bytes, from, to, LIMITS, run)
  const requests = Array.from({ length: run.count }, (_, i) => {
    const key = run.buffer.toString('latin1', run.keyStart[i], run.keyEnd[i])
    const start = run.valueStart[i] as number
    return start === NO_VALUE ? ['get', key] : ['set', key, run.buffer.toString('latin1', start, run.valueEnd[i])]
  })
  return { requests, end: run.count === 0 ? from : (run.end[run.count - 1] as number) }
}

function recognised(text: string): string[][] {
  return read(Buffer.from(text, 'latin1')).requests
}

test('GET and SET are read, whatever the case of their names and the bytes in keys and values', () => {
  const text = bulks('GET', 'k') + bulks('gEt', '\r\n\0\xff') + bulks('SET', 'key', '') + bulks('set', 'a b', '*2\r\n$3\r\nGET')
  assert.equal(recognised(text), [
    ['get', 'k'],
    ['get', '\r\n\0\xff'],
    ['set', 'key', ''],
    ['set', 'a b', '*2\r\n$3\r\nGET'],
  ])
})

const NOT_PLAIN: readonly string[] = [
  'GET k\r\n',
  bulks('GET'),
  bulks('GET', 'a', 'b'),
  bulks('GET', ''),
  bulks('GET', 'k'.repeat(LIMITS.maxKeyBytes + 1)),
  bulks('SET', 'k'),
  bulks('SET', '', 'v'),
  bulks('SET', 'k', 'v'.repeat(LIMITS.maxValueBytes + 1)),
  bulks('SET', 'k', 'v', 'NX'),
  bulks('DEL', 'k'),
  bulks('GER', 'k'),
  bulks('LET', 'k', 'v'),
  bulks('GETS', 'k'),
  '*2\r\n$3\r\nSET\r\n$1\r\nk\r\n',
  '*3\r\n$3\r\nGET\r\n$1\r\nk\r\n$1\r\nv\r\n',
  '*02\r\n$3\r\nGET\r\n$1\r\nk\r\n',
  '*2\r\n$03\r\nGET\r\n$1\r\nk\r\n',
  '*2\r\n$3\r\nGET\r\n$01\r\nk\r\n',
  '*2\r\n$3\r\nGET\r\n$-1\r\nk\r\n',
  '*2\r\n$3\r\nGET\r\n$+1\r\nk\r\n',
  '*2\r\n$3\r\nGET\r\n$1k\r\nk\r\n',
  '*2\r\n$3\r\nGET\r\n$\r\nk\r\n',
  '*2\r\n$3\r\nGET\r\n$1\r_k\r\n',
  '*2\r\n$3\r\nGET\r\n$999999999999999999999\r\nk\r\n',
  '*2\r\n:3\r\nGET\r\n$1\r\nk\r\n',
  '*2\r\n$3\r\nGET\r\n:1\r\nk\r\n',
  '*-1\r\n*0\r\n*2\r\n$3\r\nGET\r\n',
]

for (const text of NOT_PLAIN) {
  test(`left to the parser: ${JSON.stringify(text)}`, () => {
    assert.equal(recognised(text + bulks('GET', 'after')), [])
    assert.equal(recognised(bulks('GET', 'before') + text), [['get', 'before']])
  })
}

test('a run is as long as it may be, and what follows is left', () => {
  const one = bulks('GET', 'k')
  const { requests, end } = read(Buffer.from(one.repeat(RUN_CAPACITY + 3)))
  assert.is(requests.length, RUN_CAPACITY)
  assert.is(end, RUN_CAPACITY * one.length)
})

test('cut at any byte, what is whole is read and nothing beyond, though bytes of an earlier piece lie there', () => {
  const parts = [bulks('SET', 'key', 'value'), bulks('GET', 'a-longer-key'), bulks('SET', 'k', 'x'.repeat(25))]
  const bytes = Buffer.from(parts.join(''))
  for (let to = 0; to <= bytes.length; to++) {
    let whole = 0
    let end = 0
    while (whole < parts.length && end + (parts[whole] as string).length <= to) end += (parts[whole++] as string).length
    const found = read(bytes, 0, to)
    assert.equal([found.requests.length, found.end], [whole, end], `cut at ${to}`)
  }
})

test('the parser reads the same from the same bytes, and goes on where the run ended', () => {
  const random = new SeededRandom(7)
  const below = (limit: number): number => Math.floor(random.next() * limit)
  const word = (most: number): string => Array.from({ length: below(most) }, () => '\r\n$*3GETsk\xff'[below(11)]).join('')
  for (let round = 0; round < 500; round++) {
    const requests = Array.from({ length: 1 + below(6) }, () => {
      const kind = below(5)
      if (kind < 2) return ['GET', word(24)]
      if (kind < 4) return ['SET', word(24), word(36)]
      return ['PING', word(10)]
    })
    const bytes = Buffer.from(requests.map((words) => bulks(...words)).join(''), 'latin1')
    const parser = new Parser({ maxBulkBytes: 100, maxRequestBytes: 1000 })
    const run = new RequestRun()
    parser.push(bytes)
    const seen: string[][] = []
    for (;;) {
      const count = parser.plain(LIMITS, run)
      // A part of a run may be executed; the rest is there again.
      const taken = below(count + 1)
      for (let i = 0; i < taken; i++) {
        const text = (start: number | undefined, end: number | undefined): string => bytes.toString('latin1', start, end)
        const key = text(run.keyStart[i], run.keyEnd[i])
        seen.push(run.valueStart[i] === NO_VALUE ? ['GET', key] : ['SET', key, text(run.valueStart[i], run.valueEnd[i])])
      }
      if (taken > 0) parser.passed(run.end[taken - 1] as number)
      if (parser.next() !== COMMAND) break
      seen.push(Array.from({ length: parser.args.count }, (_, i) => parser.args.text(i, 'latin1')))
    }
    assert.equal(seen, requests)
    assert.is(parser.pendingBytes, 0)
  }
})

test('nothing is plain in the middle of a command', () => {
  const parser = new Parser({ maxBulkBytes: 100, maxRequestBytes: 1000 })
  const run = new RequestRun()
  parser.push(Buffer.from('*2\r\n$4\r\nECHO\r\n'))
  assert.is(parser.plain(LIMITS, run), 0)
  parser.next()
  parser.own()
  parser.push(Buffer.from(`$${bulks('GET', 'k').length}\r\n${bulks('GET', 'k')}\r\n`))
  assert.is(parser.plain(LIMITS, run), 0)
  assert.is(parser.next(), COMMAND)
  assert.is(parser.args.text(1), bulks('GET', 'k'))
})

test.run()
