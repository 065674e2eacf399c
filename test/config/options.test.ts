/**
 * Options from flags, variables and defaults; and every way in which they can be wrong, told in one sentence.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ConfigError, helpText } from '../../src/config/index.ts'
import type { Machine } from '../../src/config/machine.ts'
import { envOf, flagOf, OPTION_NAMES, OPTION_TABLE, type Options } from '../../src/config/option-table.ts'
import { type Environment, readOptions } from '../../src/config/options.ts'
import { describe } from '../../src/config/value-type.ts'

const test = suite('options')
const MIB = 2 ** 20
const GIB = 2 ** 30
const MACHINE: Machine = { hostname: 'jackdaw-0', addresses: ['10.0.0.7', '10.0.0.8'], memoryLimitBytes: null, cpuLimit: null }

function read(argv: string[] = [], env: Environment = {}, machine: Partial<Machine> = {}): Options {
  return readOptions(argv, env, { ...MACHINE, ...machine })
}

function refusal(argv: string[], env: Environment = {}, machine: Partial<Machine> = {}): string {
  try {
    read(argv, env, machine)
  } catch (error) {
    assert.instance(error, ConfigError)
    return (error as ConfigError).message
  }
  return 'taken'
}

test('with nothing given, all have their defaults', () => {
  assert.equal(read(), {
    name: 'jackdaw-0',
    clusterId: 'jackdaw',
    host: '0.0.0.0',
    advertiseHost: '10.0.0.7',
    httpPort: 8080,
    respPort: 6379,
    clusterPort: 6380,
    textPort: 31_337,
    grpcPort: 50_051,
    gossipPort: 7946,
    peerPort: 7947,
    adminPort: 9090,
    gossipKeys: null,
    gossipKeysFile: null,
    gossipVerify: 'on',
    seeds: [],
    discovery: 'none',
    dnsName: null,
    kubernetesNamespace: null,
    kubernetesSelector: null,
    kubernetesStatefulSet: null,
    podUid: null,
    zone: null,
    replicas: 1,
    partition: 'serve',
    maxMemoryBytes: GIB,
    evictionPolicy: 'allkeys-lru',
    maxKeyBytes: 1024,
    maxValueBytes: MIB,
    maxBodyBytes: 16 * MIB,
    maxInputBytes: 128 * MIB,
    maxClients: 10_000,
    outputBufferLimitBytes: 32 * MIB,
    idleTimeoutMs: 0,
    forwardTimeoutMs: 5000,
    maxStaleMs: 1000,
    drainMs: 5000,
    stopTimeoutMs: 35_000,
    logLevel: 'info',
    debugCommands: 'off',
  })
})

test('a flag wins over a variable, a variable over the default, and an empty variable is none', () => {
  assert.is(read([], { JACKDAW_HTTP_PORT: '81' }).httpPort, 81)
  assert.is(read(['--http-port', '82'], { JACKDAW_HTTP_PORT: '81' }).httpPort, 82)
  assert.is(read(['--http-port=82']).httpPort, 82)
  assert.is(read([], { JACKDAW_HTTP_PORT: '' }).httpPort, 8080)
  assert.is(read([], { JACKDAW_KUBERNETES_STATEFUL_SET: 'jackdaw' }).kubernetesStatefulSet, 'jackdaw')
})

test('variables of others under our prefix are left alone', () => {
  assert.is(refusal([], { JACKDAW_SERVICE_HOST: '10.1.2.3', JACKDAW_PORT: 'tcp://10.1.2.3:80', PATH: '/bin' }), 'taken')
})

test('keys of the gossip are read, and no message or text shows what was given', () => {
  const key = Buffer.alloc(32, 1).toString('base64')
  const env = { JACKDAW_GOSSIP_KEYS: ` ${key} , ${Buffer.alloc(16, 2).toString('base64')}` }
  const options = read([], env)
  assert.equal(options.gossipKeys?.bytes(), [Buffer.alloc(32, 1), Buffer.alloc(16, 2)])
  assert.not.ok(JSON.stringify(options).includes(key))
  const message = refusal([], { JACKDAW_GOSSIP_KEYS: 'hunter2,c2VjcmV0' })
  assert.is(
    message,
    'JACKDAW_GOSSIP_KEYS must be a comma-separated list of at most 8 keys of 16 to 64 bytes in base64, but key 1 is not base64',
  )
})

test('keys are given in one way, and not verifying needs keys', () => {
  const keys = ['--gossip-keys', Buffer.alloc(16).toString('base64')]
  assert.is(refusal([...keys, '--gossip-keys-file', '/keys']), 'gossipKeys and gossipKeysFile are both given: give one of them')
  assert.match(refusal(['--gossip-verify', 'off']), /^gossipVerify is "off", but there are neither/)
  assert.is(refusal([...keys, '--gossip-verify', 'off']), 'taken')
  assert.is(refusal(['--gossip-keys-file', '/keys', '--gossip-verify', 'off']), 'taken')
})

test('discovery by DNS has a name, and no other has', () => {
  assert.is(refusal(['--discovery', 'dns']), 'discovery is "dns", but dnsName is not given')
  assert.is(refusal(['--dns-name', 'jackdaw']), 'discovery is "none", but dnsName is given: it is for discovery "dns"')
  assert.is(refusal(['--discovery', 'dns', '--dns-name', '_gossip._udp.jackdaw-peers.default.svc.cluster.local']), 'taken')
  assert.match(refusal(['--discovery', 'dns', '--dns-name', 'jack daw']), /^--dns-name is "jack daw", but must be a DNS name/)
})

test('sizes are read in bytes or with a unit', () => {
  const cases: [text: string, bytes: number][] = [
    ['67108864', 64 * MIB],
    ['64MiB', 64 * MIB],
    ['64mb', 64 * MIB],
    ['64Mi', 64 * MIB],
    ['1gb', GIB],
    ['1.5GiB', 1.5 * GIB],
    ['65536 KiB', 64 * MIB],
  ]
  for (const [text, bytes] of cases) assert.is(read(['--max-memory-bytes', text]).maxMemoryBytes, bytes, text)
  for (const text of ['', 'x', '64M', '64 mi b', '-1', '1e9', '0x10', '1.5', '1tb']) {
    assert.match(refusal([`--max-memory-bytes=${text}`]), `--max-memory-bytes is "${text}", but must be a size from 1MiB to 1024GiB`)
  }
})

test('memory takes three fifths of what the container may use', () => {
  assert.is(read([], {}, { memoryLimitBytes: 10 * GIB }).maxMemoryBytes, 6 * GIB)
  assert.is(read(['--max-memory-bytes', '10GiB'], {}, { memoryLimitBytes: 10 * GIB }).maxMemoryBytes, 10 * GIB)
})

test('the address for others is the one that is listened on, if it is one', () => {
  assert.is(read(['--host', '127.0.0.1']).advertiseHost, '127.0.0.1')
  assert.is(read(['--host', '127.0.0.9']).advertiseHost, '127.0.0.9')
  assert.is(read(['--host', 'localhost']).advertiseHost, '127.0.0.1')
  assert.is(read(['--host', '10.0.0.8']).advertiseHost, '10.0.0.8')
  assert.is(read(['--host', '::']).advertiseHost, '10.0.0.7')
  assert.is(read([], {}, { addresses: [] }).advertiseHost, '127.0.0.1')
  assert.is(read(['--advertise-host', 'node.example']).advertiseHost, 'node.example')
})

test('seeds name members and make discovery static', () => {
  const options = read(['--seeds', 'a=10.0.0.1:7946, b-2=host.example:1,c=[::1]:7946'])
  assert.is(options.discovery, 'static')
  assert.equal(options.seeds, [
    { name: 'a', address: '10.0.0.1:7946' },
    { name: 'b-2', address: 'host.example:1' },
    { name: 'c', address: '[::1]:7946' },
  ])
  for (const entry of ['a', 'a=', 'a=b', 'a=b:0', 'a=b:65536', '=b:1', 'a=b:1,', 'a b=c:1', 'a=::1:7946']) {
    assert.match(refusal(['--seeds', entry]), /^--seeds has the entry ".*", but must be /, entry)
  }
  assert.match(refusal(['--seeds', 'a=b:1,a=c:1']), '--seeds names the member "a" twice')
  assert.match(refusal(['--seeds', Array.from({ length: 257 }, (_, i) => `n${i}=h:1`).join()]), '--seeds has 257 entries')
})

test('what cannot be is refused with the option, the value and the limit', () => {
  const cases: [argv: string[], sentence: string | RegExp][] = [
    [['--nonsense', '1'], 'there is no option --nonsense'],
    [['--nonsense=1'], 'there is no option --nonsense'],
    [['-p', '1'], 'there is no option -p'],
    [['8080'], '"8080" is not an option'],
    [['--http-port'], '--http-port needs a value'],
    [['--http-port', '1', '--http-port', '2'], '--http-port is given twice'],
    [['--http-port', '65536'], '--http-port is "65536", but must be a whole number from 0 to 65535'],
    [['--http-port', '-1'], '--http-port is "-1"'],
    [['--http-port', '80.5'], '--http-port is "80.5"'],
    [['--http-port', '8o'], '--http-port is "8o"'],
    [['--http-port', ''], '--http-port is ""'],
    [['--replicas', '6'], '--replicas is "6", but must be a whole number from 0 to 5'],
    [['--max-key-bytes', '0'], '--max-key-bytes is "0", but must be a whole number from 1 to 65535'],
    [['--forward-timeout-ms', '5s'], '--forward-timeout-ms is "5s", but must be a whole number from 100 to 60000 (ms)'],
    [
      ['--eviction-policy', 'lru'],
      '--eviction-policy is "lru", but must be one of allkeys-lru, allkeys-lfu, volatile-lru, volatile-lfu, volatile-ttl, noeviction',
    ],
    [['--log-level', 'INFO'], '--log-level is "INFO", but must be one of debug, info, warn, error, silent'],
    [['--name', '-x'], '--name is "-x", but must be a name'],
    [['--name', 'x'.repeat(254)], '..."'],
    [['--cluster-id', 'a b'], '--cluster-id is "a b"'],
  ]
  for (const [argv, sentence] of cases) assert.match(refusal(argv), sentence)
  assert.match(refusal([], { JACKDAW_DRAIN_MS: 'soon' }), 'JACKDAW_DRAIN_MS is "soon"')
  assert.match(refusal([], {}, { hostname: 'bad name' }), 'the default of --name is "bad name"')
})

test('options that contradict each other are refused', () => {
  const kubernetes = ['--discovery', 'kubernetes', '--kubernetes-namespace', 'n', '--kubernetes-selector', 'app=jackdaw']
  const cases: [argv: string[], sentence: string][] = [
    [['--discovery', 'static'], 'discovery is "static", but seeds is empty'],
    [['--discovery', 'none', '--seeds', 'a=b:1'], 'discovery is "none", but seeds has 1'],
    [['--discovery', 'kubernetes'], 'kubernetesNamespace is not given'],
    [kubernetes, 'kubernetesStatefulSet is not given'],
    [
      ['--max-value-bytes', '13MiB'],
      'maxBodyBytes is 16777216, but a value of maxValueBytes, which is 13631488, must fit into it as base64',
    ],
    [
      ['--output-buffer-limit-bytes', '2MiB'],
      'outputBufferLimitBytes is 2097152, but must be at least 2359296: twice maxValueBytes, which is 1048576, and 262144',
    ],
    [['--max-input-bytes', '16MiB'], 'maxInputBytes is 16777216, but must hold two requests of maxBodyBytes, which is 16777216'],
    [['--max-memory-bytes', '3MiB'], 'maxValueBytes is 1048576, but must not be above a quarter of maxMemoryBytes, which is 3145728'],
    [['--stop-timeout-ms', '10999'], 'stopTimeoutMs is 10999, but must be 6000 or more above drainMs, which is 5000'],
    [['--peer-port', '8080'], 'httpPort and peerPort are both 8080'],
    [['--advertise-host', '0.0.0.0'], 'advertiseHost is "0.0.0.0"'],
  ]
  for (const [argv, sentence] of cases) assert.match(refusal(argv), sentence)
  assert.match(refusal(['--max-memory-bytes', '2GiB'], {}, { memoryLimitBytes: GIB }), 'the container may use 1073741824 bytes')
  assert.match(refusal([...kubernetes, '--kubernetes-stateful-set', 's'], {}, { addresses: [] }), 'advertiseHost is not given')
  assert.is(refusal([...kubernetes, '--kubernetes-stateful-set', 's']), 'taken')
  assert.is(refusal(['--http-port', '0', '--gossip-port', '0', '--peer-port', '0', '--admin-port', '0']), 'taken')
})

test('the help text has every option with its variable, type, default and sentence', () => {
  const text = helpText()
  for (const name of OPTION_NAMES) {
    const row = OPTION_TABLE[name]
    for (const part of [flagOf(name), envOf(name), row.doc, describe(row.type), row.higher ?? '', row.lower ?? '']) {
      assert.ok(text.includes(part), `${name}: ${part}`)
    }
  }
  assert.match(text, 'Default: 1MiB.')
  assert.match(text, 'Default: 60 % of the container limit, else 1GiB.')
})

test('the defaults of the table are within its own bounds', () => {
  for (const name of OPTION_NAMES) {
    const { type, fallback } = OPTION_TABLE[name]
    if (type.kind === 'integer' || type.kind === 'size') {
      const value = typeof fallback === 'number' ? fallback : read()[name]
      assert.ok(Number(value) >= type.min && Number(value) <= type.max, name)
    }
    if (type.kind === 'choice' && typeof fallback === 'string') assert.ok((type.values as readonly string[]).includes(fallback), name)
  }
})

test.run()
