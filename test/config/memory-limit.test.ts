import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readMemoryLimit } from '../../src/config/memory-limit.ts'

const test = suite('memory limit')
const V2 = '/sys/fs/cgroup/memory.max'
const V1 = '/sys/fs/cgroup/memory/memory.limit_in_bytes'

function limit(files: Record<string, string>): number | null {
  return readMemoryLimit((path) => files[path] ?? null)
}

test('the limit is read from whichever version of control groups there is', () => {
  assert.is(limit({ [V2]: '536870912\n' }), 536_870_912)
  assert.is(limit({ [V1]: '536870912\n' }), 536_870_912)
  assert.is(limit({ [V2]: '1048576\n', [V1]: '2097152\n' }), 1_048_576)
})

test('no limit is null, in the words of either version', () => {
  assert.is(limit({ [V2]: 'max\n' }), null)
  assert.is(limit({ [V1]: '9223372036854771712\n' }), null)
  assert.is(limit({}), null)
})

test('what is no limit is taken for none', () => {
  for (const text of ['', '0', '-1', 'x', '1e9', '1 2']) assert.is(limit({ [V2]: text }), null, text)
})

test.run()
