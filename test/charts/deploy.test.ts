import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { envOf, OPTION_NAMES, OPTION_TABLE } from '../../src/config/option-table.ts'
import { readOptions } from '../../src/config/options.ts'

const test = suite('deploy.yaml')

const manifest = readFileSync(new URL('../../deploy.yaml', import.meta.url), 'utf8')
const MACHINE = { hostname: 'jackdaw-0', addresses: ['10.0.0.1'], memoryLimitBytes: 512 * 2 ** 20, cpuLimit: null }
/** What Kubernetes fills in, at its longest. */
const FIELDS: Readonly<Record<string, string>> = {
  'metadata.name': 'jackdaw-0',
  'metadata.namespace': 'n'.repeat(63),
  'metadata.uid': '6a1e0f4e-3c0f-4f5e-9f0a-0d8f5ad2b7c1',
  'status.podIP': '10.0.0.1',
}

/** Names and values of the container's variables, as a pod would see them. */
function variables(): Map<string, string> {
  const found = new Map<string, string>()
  const pattern = /- name: (JACKDAW_\w+)\n +(?:value: (.+)|valueFrom:\n +fieldRef:\n +fieldPath: (.+))/g
  for (const [, name = '', value, field = ''] of manifest.matchAll(pattern)) {
    const plain = value?.replace(/^"(.*)"$/, '$1') ?? FIELDS[field] ?? ''
    found.set(
      name,
      plain.replace(/\$\((\w+)\)/g, (_, other: string) => found.get(other) ?? ''),
    )
  }
  return found
}

test('every variable is one of an option', () => {
  const known = new Set(OPTION_NAMES.map(envOf))
  const names = [...variables().keys()]
  assert.ok(names.length > 0)
  assert.equal(
    names.filter((name) => !known.has(name)),
    [],
  )
})

test('the options can be read, even in the longest namespace', () => {
  const options = readOptions([], Object.fromEntries(variables()), MACHINE)
  assert.is(options.name, 'jackdaw-0')
  assert.is(options.discovery, 'kubernetes')
  assert.is(options.clusterId, `${'n'.repeat(63)}.jackdaw`)
})

test('the ports and the timing of a stop are those of the table', () => {
  const options = readOptions([], Object.fromEntries(variables()), MACHINE)
  assert.is(options.drainMs, OPTION_TABLE.drainMs.fallback)
  assert.is(options.stopTimeoutMs, OPTION_TABLE.stopTimeoutMs.fallback)
  const ports = [...manifest.matchAll(/containerPort: (\d+)/g)].map(([, port]) => Number(port))
  const { httpPort, respPort, clusterPort, textPort, grpcPort, gossipPort, peerPort, adminPort } = options
  assert.equal(ports, [httpPort, respPort, clusterPort, textPort, grpcPort, gossipPort, gossipPort, peerPort, adminPort])
})

test('it starts no pod of helm test', () => {
  assert.not.match(manifest, 'helm.sh/hook')
})

test('the grace period holds the pause, the stop and five seconds to spare', () => {
  const number = (pattern: RegExp) => Number(pattern.exec(manifest)?.[1])
  const pause = number(/sleep:\n +seconds: (\d+)/)
  const stop = number(/JACKDAW_STOP_TIMEOUT_MS\n +value: "(\d+)"/) / 1000
  assert.is(number(/terminationGracePeriodSeconds: (\d+)/), pause + stop + 5)
})

test.run()
