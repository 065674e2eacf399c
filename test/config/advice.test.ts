import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { adviceOn } from '../../src/config/advice.ts'
import type { Machine } from '../../src/config/machine.ts'
import { readOptions } from '../../src/config/options.ts'

const test = suite('advice')
const MIB = 2 ** 20

function advice(limits: Partial<Machine>, argv: readonly string[] = []): string[] {
  const machine: Machine = { hostname: 'jackdaw-0', addresses: ['10.0.0.7'], memoryLimitBytes: null, cpuLimit: null, ...limits }
  return adviceOn(readOptions(argv, {}, machine), machine)
}

test('nothing is said of a container that is large enough, or has no limits', () => {
  assert.equal(advice({}), [])
  assert.equal(advice({ memoryLimitBytes: 512 * MIB, cpuLimit: 0.5 }), [])
})

test('a limit that leaves the runtime no room is named, with both figures', () => {
  const [sentence, ...more] = advice({ memoryLimitBytes: 1024 * MIB }, ['--max-memory-bytes', '900MiB'])
  assert.match(sentence as string, `maxMemoryBytes is ${900 * MIB} of the ${1024 * MIB} bytes`)
  assert.equal(more, [])
  assert.is(advice({ memoryLimitBytes: 256 * MIB }).length, 1)
})

test('a share of a processor that is too small is named', () => {
  assert.match(advice({ cpuLimit: 0.2 })[0] as string, 'may use 0.2 of a processor, less than 0.5')
})

test.run()
