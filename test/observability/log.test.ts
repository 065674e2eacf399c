import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createLogger } from '../../src/observability/log.ts'

const test = suite('log')

test('a line is JSON with time, level as a word, the node and the given fields', () => {
  const lines: string[] = []
  createLogger('info', 'jackdaw-0', { write: (line) => lines.push(line) }).warn({ slots: 3 }, 'handed over')
  assert.is(lines.length, 1)
  const { time, ...rest } = JSON.parse(lines[0] as string)
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.equal(rest, { level: 'warn', node: 'jackdaw-0', slots: 3, msg: 'handed over' })
})

test('lines below the level are not written, and none at silent', () => {
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) }
  const info = createLogger('info', 'a', stream)
  info.debug({}, 'no')
  info.info({}, 'yes')
  createLogger('silent', 'a', stream).error({}, 'no')
  assert.is(lines.length, 1)
})

test.run()
