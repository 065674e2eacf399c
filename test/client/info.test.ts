import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseInfo } from '../../src/client/info.ts'

const test = suite('client: info')

test('INFO is read by section and name, and values may contain colons', () => {
  const info = parseInfo('early:1\r\n# Memory\r\nused:12\r\npath:a:b\r\n\r\n# Stats Of All\r\nhits:\r\nnonsense\r\n')
  assert.equal(JSON.parse(JSON.stringify(info)), {
    server: { early: '1' },
    memory: { used: '12', path: 'a:b' },
    'stats of all': { hits: '' },
  })
})

test('names cannot reach the prototype', () => {
  const info = parseInfo('# __proto__\r\npolluted:1\r\n')
  assert.is(({} as Record<string, unknown>)['polluted'], undefined)
  assert.equal(Object.keys(info), ['__proto__'])
})

test.run()
