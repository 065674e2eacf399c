import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { History } from './history.ts'

const test = suite('namespaces/history')

function after(...steps: readonly (readonly [value: string | null, confirmed: boolean])[]): History {
  const history = new History()
  for (const [value, confirmed] of steps) {
    history.sent('key', value)
    if (confirmed) history.confirmed('key')
  }
  return history
}

test('only what was confirmed last is right', () => {
  const history = after(['a', true], ['b', true])
  assert.is(history.verdict('key', 'b'), null)
  assert.match(history.verdict('key', 'a') ?? '', /^stale/)
  assert.match(history.verdict('key', null) ?? '', /^lost/)
  assert.match(history.verdict('key', 'x') ?? '', /^never written/)
})

test('a deleted key that holds a value again is resurrected', () => {
  const history = after(['a', true], [null, true])
  assert.is(history.verdict('key', null), null)
  assert.match(history.verdict('key', 'a') ?? '', /^resurrected/)
})

test('after a write in doubt both values are right, nothing else is, and the key is retired', () => {
  const history = after(['a', true], ['b', true], ['c', false])
  assert.is(history.verdict('key', 'b'), null)
  assert.is(history.verdict('key', 'c'), null)
  assert.match(history.verdict('key', 'a') ?? '', /^stale/)
  assert.match(history.verdict('key', null) ?? '', /^lost/)
  assert.equal(history.open(), [])
  assert.equal(history.keys(), ['key'])
  assert.throws(() => history.sent('key', 'd'), /retired/)
})

test('a key that was never written holds nothing', () => {
  const history = new History()
  assert.is(history.verdict('key', null), null)
  assert.match(history.verdict('key', 'x') ?? '', /^never written/)
  assert.throws(() => history.confirmed('key'), /nothing was sent/)
})

test.run()
