/** The command line as its users meet it: what stands on stdout, what on stderr, and the exit code. */
// deadline: 120 s
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { deadAddress, type Entries, memory, type Script, ScriptedServer } from '../client/scripted-server.ts'
import { type Ended, type Invocation, jackdaw } from './command-line.ts'

const test = suite('cli: commands')

interface Scene {
  readonly entries: Entries
  readonly server: ScriptedServer
  readonly cli: (args: string, invocation?: Invocation) => Promise<Ended>
  /** A folder of its own. */
  readonly folder: string
}

/** `cli` takes its arguments separated by blanks and finds the server by the environment. */
async function scene(body: (scene: Scene) => Promise<void>, script?: Script): Promise<void> {
  const entries: Entries = new Map()
  const server = await ScriptedServer.start(script ?? memory(entries))
  const folder = await mkdtemp(join(tmpdir(), 'jackdaw-cli-'))
  try {
    await body({
      entries,
      server,
      folder,
      cli: (args, invocation) => jackdaw(args.split(' '), { addresses: server.address, ...invocation }),
    })
  } finally {
    await server.close()
    await rm(folder, { recursive: true })
  }
}

function put(entries: Entries, pairs: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(pairs)) entries.set(key, { value: Buffer.from(value), ttlMs: null })
}

function outcome({ code, stdout, stderr }: Ended): [number | null, string, string] {
  return [code, stdout, stderr]
}

test('store, read and delete print what their users know', () =>
  scene(async ({ cli }) => {
    assert.equal(outcome(await cli('store --key mykey --value myvalue')), [0, '', ''])
    assert.equal(outcome(await cli('read --key mykey')), [0, 'myvalue\n', ''])
    assert.equal(outcome(await cli('store --key mykey --value myvalue2')), [0, '', ''])
    assert.equal(outcome(await cli('read --key mykey')), [0, 'myvalue2\n', ''])
    assert.equal(outcome(await cli('delete --key mykey')), [0, '', ''])
    assert.equal(outcome(await cli('read --key mykey')), [1, '', 'ERROR: no key `mykey` found\n'])
    assert.equal(outcome(await cli('delete --key mykey')), [0, '', ''])
  }))

test('set, get and delete: values on stdout, talk on stderr, and 1 for what is not there', () =>
  scene(async ({ cli, entries }) => {
    assert.equal(outcome(await cli('set n [1] --as-json')), [0, '', ''])
    assert.equal(entries.get('n'), { value: Buffer.from('[1]'), ttlMs: null, json: true })
    assert.equal(outcome(await cli('set k v --ttl 90s')), [0, '', ''])
    assert.is(entries.get('k')?.ttlMs, 90_000)
    assert.equal(outcome(await cli('set k w --if-absent')), [1, '', '`k` has a value already\n'])
    assert.equal(outcome(await cli('set other w --if-present')), [1, '', '`other` has no value\n'])
    assert.equal(outcome(await cli('get k')), [0, 'v\n', ''])
    assert.equal(outcome(await cli('get other')), [1, '', 'ERROR: no key `other` found\n'])
    assert.equal(outcome(await cli('delete k n other')), [0, '', ''])
    assert.equal(outcome(await cli('delete k')), [1, '', 'ERROR: no key `k` found\n'])
    assert.is(entries.size, 0)
  }))

test('--ack is agreed on before anything is written, and only where it is given', () =>
  scene(async ({ cli, server, folder }) => {
    const file = join(folder, 'dump')
    assert.is((await cli('set k v --ack replica')).code, 0)
    assert.is((await cli(`export ${file}`)).code, 0)
    server.heard.length = 0
    assert.is((await cli(`import ${file} --ack all`)).code, 0)
    assert.is((await cli('delete k --ack replica')).code, 0)
    assert.is((await cli('set k v')).code, 0)
    assert.equal(
      server.heard.filter((line) => !line.includes('PING')).map((line) => line.slice(line.indexOf(' ') + 1)),
      ['CLIENT ACK all', 'SET k v', 'CLIENT ACK replica', 'DEL k', 'SET k v'],
    )
    assert.is((await cli('set k v --ack some')).code, 2)
  }))

test('a write that its replicas refuse or do not confirm is an error of the server', () =>
  scene(
    async ({ cli }) => {
      const { code, stderr } = await cli('set k v --ack replica')
      assert.equal([code, stderr], [3, 'ERROR: NOREPLICAS Not enough good replicas to write.\n'])
    },
    ([name], peer) => peer.send(String(name) === 'CLIENT' ? '+OK\r\n' : '-NOREPLICAS Not enough good replicas to write.\r\n'),
  ))

test('a value from stdin and a raw answer are the same bytes', () =>
  scene(async ({ cli }) => {
    const input = Buffer.from([0, 10, 255, 13, 10])
    assert.is((await cli('set k --stdin', { input })).code, 0)
    assert.equal((await cli('get k --raw')).bytes, input)
    assert.equal((await cli('get k')).bytes, Buffer.concat([input, Buffer.from('\n')]))
  }))

test('--json answers JSON on stdout, and errors as JSON on stderr', () =>
  scene(async ({ cli, entries, server }) => {
    const json = async (args: string): Promise<unknown> => JSON.parse((await cli(`${args} --json`)).stdout)
    assert.equal(await json('set k v'), { key: 'k', stored: true })
    assert.equal(await json('set k v --if-absent'), { key: 'k', stored: false })
    assert.equal(await json('get k'), { key: 'k', found: true, value: 'v' })
    assert.equal(await json('get nothing'), { key: 'nothing', found: false })
    assert.equal(await json('set j [1] --as-json'), { key: 'j', stored: true })
    assert.equal(await json('get j'), { key: 'j', found: true, value: '[1]', kind: 'json' })
    assert.equal(await json('delete j'), { deleted: 1 })
    entries.set('bytes', { value: Buffer.from([255]), ttlMs: null })
    assert.equal(await json('get bytes'), { key: 'bytes', found: true, value: { $base64: '/w==' } })
    assert.equal(await json('search --prefix k'), ['k'])
    assert.equal(await json('search --prefix nothing'), [])
    assert.equal(((await json('keys')) as string[]).sort(), ['bytes', 'k'])
    assert.equal(await json('stats'), { server: { jackdaw_version: '0.1.0' }, keyspace: { db0: 'keys=1' } })
    assert.is(((await json('ping')) as { answered: boolean }).answered, true)
    assert.equal(await json('delete k'), { deleted: 1 })
    assert.equal(await json('flush'), { flushed: true })
    await server.close()
    const failed = await cli('get k --json')
    assert.equal([failed.code, failed.stdout, JSON.parse(failed.stderr).error.code], [4, '', 'UNREACHABLE'])
  }))

test('search and keys print a key a line; bytes stay bytes', () =>
  scene(async ({ cli, entries }) => {
    put(entries, { 'abc-1': '', 'abc-2': '', 'abc-3': '', 'abc-4': '', 'xyz-1': '' })
    entries.set('\xff-1', { value: Buffer.from(''), ttlMs: null })
    assert.is((await cli('search --prefix abc')).stdout, 'abc-1\nabc-2\nabc-3\nabc-4\n')
    assert.equal((await cli('search --suffix -1')).bytes, Buffer.from('abc-1\nxyz-1\n\xff-1\n', 'latin1'))
    assert.is((await cli('search --limit 2')).stdout, 'abc-1\nabc-2\n')
    assert.is((await cli('keys abc-*')).stdout.split('\n').length, 5)
    assert.is((await cli('keys')).stdout.split('\n').length, 7)
    entries.clear()
    put(entries, { 'a\nb\rc': '', 'C:\\temp': '', 'C:\\new': '' })
    const lines = ['C:\\\\new', 'C:\\temp', 'a\\nb\\rc', '']
    assert.is((await cli('search')).stdout, lines.join('\n'))
    assert.equal((await cli('keys')).stdout.split('\n').sort(), lines.sort())
    assert.equal(JSON.parse((await cli('search --json')).stdout), ['C:\\new', 'C:\\temp', 'a\nb\rc'])
  }))

test('ping and stats tell what answers', () =>
  scene(async ({ cli }) => {
    const ping = await cli('ping')
    assert.equal([ping.code, ping.stdout], [0, 'PONG\n'])
    assert.match(ping.stderr, /^after [\d.]+ ms/)
    assert.is((await cli('stats')).stdout, 'server\n  jackdaw_version  0.1.0\nkeyspace\n  db0  keys=1\n')
  }))

test('flush asks nothing where no terminal is', () =>
  scene(async ({ cli, entries }) => {
    for (const args of ['flush', 'flush --yes']) {
      put(entries, { k: 'v' })
      assert.equal(outcome(await cli(args)), [0, '', ''])
      assert.is(entries.size, 0)
    }
  }))

test('what cannot be used ends with 2 and a sentence, and sends nothing', () =>
  scene(async ({ cli, server }) => {
    for (const [args, sentence] of [
      ['nonsense', "ERROR: unknown command 'nonsense'"],
      ['get', "ERROR: missing required argument 'key'"],
      ['get k --nonsense', "ERROR: unknown option '--nonsense'"],
      ['get k --timeout soon', 'It must be a duration such as'],
      ['get k --address a:b', 'ERROR: `a:b` is no address'],
      ['set k', 'ERROR: give the value either after the key or by --stdin'],
      ['set k v --stdin', 'ERROR: give the value either'],
      ['set k v --if-absent --if-present', 'ERROR: --if-absent and --if-present exclude each other'],
      ['set k v --ttl 0', 'It must be a duration'],
      ['delete', 'ERROR: give the keys either'],
      ['delete a --key b', 'ERROR: give the keys either'],
      ['store --key k', "ERROR: required option '--value <value>' not specified"],
      ['search --limit -1', 'It must be a whole number from 0'],
      ['import /nonexistent/file', 'ERROR: ENOENT'],
    ] as const) {
      const { code, stdout, stderr } = await cli(args)
      assert.equal([code, stdout], [2, ''], args)
      assert.match(stderr, sentence, args)
    }
    assert.equal(server.heard, [])
  }))

test('a refusal of the server ends with 3, and no answer in time with 4', () =>
  scene(
    async ({ cli }) => {
      const refused = await cli('get k')
      assert.equal(outcome(refused), [3, '', 'ERROR: NOAUTH Authentication required\n'])
      const late = await cli('ping --timeout 100ms')
      assert.equal([late.code, late.stdout], [4, ''])
      assert.match(late.stderr, 'ERROR: no result within 100 ms')
    },
    ([name], peer) => {
      if (String(name) === 'GET') peer.send('-NOAUTH Authentication required\r\n')
    },
  ))

test('addresses come from options or the environment, options first; one that works is enough', () =>
  scene(async ({ server, entries }) => {
    put(entries, { k: 'v' })
    const dead = await deadAddress()
    assert.is((await jackdaw(['get', 'k', '--address', dead, '-a', server.address])).stdout, 'v\n')
    assert.is((await jackdaw(['get', 'k'], { addresses: `${dead}, ${server.address}` })).stdout, 'v\n')
    assert.is((await jackdaw(['get', 'k', '--address', server.address], { addresses: dead })).stdout, 'v\n')
    const nowhere = await jackdaw(['get', 'k', '--address', dead])
    assert.equal([nowhere.code, nowhere.stdout], [4, ''])
    assert.match(nowhere.stderr, `ERROR: cannot connect to ${dead}`)
  }))

test('an export that is imported is the same cache', () =>
  scene(async ({ cli, entries, folder }) => {
    for (let i = 0; i < 200; i++) entries.set(`key-${i}`, { value: Buffer.from(`value ${i} ü\n"`), ttlMs: i % 2 === 0 ? null : 1000 + i })
    entries.set('\xff\x00', { value: Buffer.from([0, 255, 128]), ttlMs: null })
    entries.set('empty', { value: Buffer.from(''), ttlMs: null })
    entries.set('json', { value: Buffer.from('12345678901234567890'), ttlMs: 5000, json: true })
    const before = new Map(entries)
    const file = join(folder, 'dump.jsonl')
    assert.equal(outcome(await cli(`export ${file}`)), [0, '', '203 exported\n'])
    assert.equal(await readdir(folder), ['dump.jsonl'])
    const piped = await cli('export')
    assert.equal([piped.stdout, piped.stderr], [await readFile(file, 'utf8'), '203 exported\n'])
    entries.clear()
    assert.equal(outcome(await cli(`import ${file}`)), [0, '', '203 imported\n'])
    assert.equal(entries, before)
    entries.clear()
    assert.equal(outcome(await cli('import --json', { input: piped.stdout })), [0, '{"imported":203}\n', ''])
    assert.equal(entries, before)
  }))

test('a Redis server, which knows strings only, is exported from and imported into in its own words', () => {
  const entries: Entries = new Map()
  const behaves = memory(entries)
  return scene(
    async ({ cli }) => {
      entries.set('k', { value: Buffer.from('v'), ttlMs: 5000 })
      assert.equal(outcome(await cli('export')), [0, '{"key":"k","value":"v","ttlMs":5000}\n', '1 exported\n'])
      const input = '{"key":"n","value":"1","kind":"json"}\n{"key":"s","value":"x"}\n'
      const told = '2 imported, 1 JSON values as strings: the server knows nothing else\n'
      assert.equal(outcome(await cli('import', { input })), [0, '', told])
      assert.equal(entries.get('n'), { value: Buffer.from('1'), ttlMs: null })
    },
    ([name, ...words], peer) => {
      const own = ['GETENTRY', 'SETJSON'].includes(String(name))
      behaves([own ? Buffer.from('NOSUCH') : (name as Buffer), ...words], peer)
    },
  )
})

test('a malformed line ends an import with its number and what was stored before it', () =>
  scene(async ({ cli, entries, folder }) => {
    const file = join(folder, 'dump.jsonl')
    const lines = Array.from({ length: 300 }, (_, i) => `{"key":"k${i}","value":"v"}`)
    lines.splice(299, 0, '{"key":"half')
    await writeFile(file, lines.join('\n'))
    const ended = await cli(`import ${file}`)
    assert.equal(outcome(ended), [2, '', '299 imported\nERROR: line 300: not JSON\n'])
    assert.is(entries.size, 299)
  }))

test('an import that the server refuses says how many were stored', () =>
  scene(
    async ({ cli }) => {
      const lines = ['a', 'b', 'c'].map((key) => JSON.stringify({ key, value: 'v' }))
      assert.equal(outcome(await cli('import', { input: lines.join('\n') })), [3, '', '2 imported\nERROR: OOM full\n'])
    },
    ([, key], peer) => peer.send(String(key) === 'b' ? '-OOM full\r\n' : '+OK\r\n'),
  ))

test('a reader that has seen enough ends a walk quietly', () =>
  scene(async ({ cli, entries }) => {
    for (let i = 0; i < 50_000; i++) entries.set(`key-${i}-${'x'.repeat(100)}`, { value: Buffer.from(''), ttlMs: null })
    const { code, stderr } = await cli('search', { readBytes: 1000 })
    assert.equal([code, stderr], [0, ''])
  }))

test('bench reports calls and latencies, and takes its keys away', () =>
  scene(async ({ cli, entries }) => {
    const ended = await cli('bench --requests 500 -c 2 -p 4 --keys 50 --value-bytes 10 --gets 0.5 --json')
    const report = JSON.parse(ended.stdout)
    assert.equal([ended.code, report.all.calls, report.errors], [0, 500, {}])
    assert.is(report.get.calls + report.set.calls, 500)
    assert.ok(report.all.perSecond > 0 && report.all.p50Ms > 0 && report.all.p50Ms <= report.all.maxMs)
    assert.is(entries.size, 0)
    const table = (await cli('bench --requests 20 --keys 5 --prefix mine: --keep')).stdout
    assert.match(table, /^ +calls +per s .*\nall +20 /)
    assert.equal([...entries.keys()].sort(), ['mine:0', 'mine:1', 'mine:2', 'mine:3', 'mine:4'])
  }))

test('bench counts what fails by its code, and ends as the first failure would', () =>
  scene(
    async ({ cli }) => {
      const { code, stdout } = await cli('bench --requests 30 --keys 5 --gets 1')
      assert.is(code, 3)
      assert.match(stdout, '30 failed: OOM')
    },
    ([name], peer) => peer.send(String(name) === 'GET' ? '-OOM full\r\n' : String(name) === 'DEL' ? ':5\r\n' : '+OK\r\n'),
  ))

test('help and the version are no errors; start hands its options to the server', async () => {
  const help = await jackdaw(['--help'])
  assert.is(help.code, 0)
  for (const command of 'start get set delete search keys store read flush ping stats cluster bench export import'.split(' ')) {
    assert.match(help.stdout, new RegExp(`^  ${command} `, 'm'))
  }
  assert.match((await jackdaw(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/)
  const server = await jackdaw(['start', '--help'])
  assert.equal([server.code, server.stderr], [0, ''])
  assert.match(server.stdout, '--http-port, JACKDAW_HTTP_PORT')
  const wrong = await jackdaw(['start', '--nonsense', '1'])
  assert.is(wrong.code, 2)
  assert.match(wrong.stderr, '--nonsense')
})

test.run()
