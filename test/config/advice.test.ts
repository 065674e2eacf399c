import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { adviceOn } from '../../src/config/advice.ts'
import type { Machine } from '../../src/config/machine.ts'
import { readOptions } from '../../src/config/options.ts'

const test = suite('advice')
const MIB = 2 ** 20

function advice(limits: Partial<Machine>, argv: readonly string[] = [], env: Readonly<Record<string, string>> = {}): string[] {
  const machine: Machine = { hostname: 'jackdaw-0', addresses: ['10.0.0.7'], memoryLimitBytes: null, cpuLimit: null, ...limits }
  return adviceOn(readOptions(argv, env, machine), machine, env)
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

test('a variable that is no option is named; what Kubernetes injects for Services, and the variable of the command line, are not', () => {
  const env = {
    JACKDAW_MAX_MEMORY_BYTE: '5',
    JACKDAW_MAX_MEMORY_BYTES: '512MiB',
    JACKDAW_HTPP_PORT: '80',
    JACKDAW_ADDRESSES: 'a:6379',
    JACKDAW_SERVICE_HOST: '10.1.2.3',
    JACKDAW_HEADLESS_SERVICE_PORT_HTTP: '8080',
    JACKDAW_PORT: 'tcp://10.1.2.3:80',
    JACKDAW_PORT_8080_TCP: 'tcp://10.1.2.3:8080',
    JACKDAW_PORT_8080_TCP_ADDR: '10.1.2.3',
    PATH: '/bin',
  }
  assert.equal(advice({}, [], env), [
    'there is no option JACKDAW_MAX_MEMORY_BYTE: the variable is ignored',
    'there is no option JACKDAW_HTPP_PORT: the variable is ignored',
  ])
})

test.run()
