/**
 * Clients that know of clusters, before three members that are real processes: they learn who serves what, go there by themselves, and go on when a
 * member is killed.
 */
// deadline: 120 s
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Cluster } from 'ioredis'
import { createCluster } from 'redis'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { slotOf } from '../../src/lib/slot.ts'
import { type Process, Processes, until } from '../support/processes.ts'

const test = suite('integration: cluster clients')

const NAMES = ['jackdaw-0', 'jackdaw-1', 'jackdaw-2']
const HOST = '127.0.0.1'
const KEYS = Array.from({ length: 200 }, (_, i) => `key-${i}`)
/** Detection, the claims, and what the clients need to notice: much more than that takes. */
const GOES_ON_MS = 15_000

async function withMembers(body: (processes: Processes) => Promise<void>): Promise<void> {
  const processes = new Processes(NAMES)
  try {
    await processes.startAll()
    await body(processes)
  } finally {
    await processes.close()
  }
}

/** Redirects that the members have answered with. */
async function redirects(processes: Processes): Promise<number> {
  let sum = 0
  for (const { adminUrl } of processes.members.values()) {
    const text = await (await fetch(`${adminUrl}/metrics`)).text()
    sum += Number(/^jackdaw_resp_redirects_total (\d+)$/m.exec(text)?.[1])
  }
  return sum
}

interface Client {
  set(key: string, value: string): Promise<unknown>
  get(key: string): Promise<unknown>
}

/** Writes and reads every key; then the same while a member is killed, until each key has been written and read again. */
async function goOn(client: Client, processes: Processes): Promise<void> {
  await Promise.all(KEYS.map((key) => client.set(key, `${key} before`)))
  const before = await redirects(processes)
  for (const key of KEYS) assert.is(await client.get(key), `${key} before`)
  assert.is(await redirects(processes), before, 'a client that has the map is not redirected')
  await processes.end('jackdaw-1', 'SIGKILL')
  const left = new Set(KEYS)
  await until(
    async () => {
      const outcomes = await Promise.allSettled([...left].map(async (key) => client.set(key, `${key} after`).then(() => left.delete(key))))
      return outcomes.every(({ status }) => status === 'fulfilled')
    },
    GOES_ON_MS,
    'every key to be written again',
  )
  for (const key of KEYS) assert.is(await client.get(key), `${key} after`)
}

test('ioredis goes straight to the primaries, and on when one is killed', () =>
  withMembers(async (processes) => {
    const nodes = [...processes.members.values()].map(({ clusterPort }) => ({ host: HOST, port: clusterPort }))
    const client = new Cluster(nodes, { slotsRefreshTimeout: 5000, clusterRetryStrategy: () => 100 })
    client.on('error', () => {})
    try {
      await goOn(client, processes)
      assert.is(await client.mset('{tag}a', '1', '{tag}b', '2'), 'OK')
      assert.equal(await client.mget('{tag}a', '{tag}b'), ['1', '2'])
      assert.equal(await client.multi().incr('{tag}a').get('{tag}b').exec(), [
        [null, 2],
        [null, '2'],
      ])
    } finally {
      client.disconnect()
    }
  }))

test('node-redis goes straight to the primaries, and on when one is killed', () =>
  withMembers(async (processes) => {
    const rootNodes = [...processes.members.values()].map(({ clusterPort }) => ({ url: `redis://${HOST}:${clusterPort}` }))
    const client = createCluster({ rootNodes, defaults: { socket: { reconnectStrategy: 100 } } })
    client.on('error', () => {})
    await client.connect()
    try {
      await goOn(client, processes)
    } finally {
      client.destroy()
    }
  }))

test('redis-cli -c follows redirects; without it they are shown, and the plain port answers everything', async () => {
  const run = promisify(execFile)
  if (!(await run('redis-cli', ['--version']).catch(() => null))) return
  await withMembers(async (processes) => {
    const cli = async (member: Process, port: 'clusterPort' | 'respPort', ...words: string[]): Promise<string> =>
      (await run('redis-cli', ['-h', HOST, '-p', String(member[port]), ...words])).stdout.trim()
    const first = processes.members.get('jackdaw-0') as Process
    for (const key of KEYS.slice(0, 20)) {
      assert.is(await cli(first, 'clusterPort', '-c', 'SET', key, `${key} value`), 'OK')
      assert.is(await cli(first, 'clusterPort', '-c', 'GET', key), `${key} value`)
      assert.is(await cli(first, 'respPort', 'GET', key), `${key} value`)
    }
    const answers = await Promise.all(KEYS.slice(0, 20).map(async (key) => [key, await cli(first, 'clusterPort', 'GET', key)] as const))
    const moved = answers.filter(([, answer]) => answer.startsWith('MOVED'))
    assert.ok(moved.length > 0 && moved.length < answers.length, 'some are served by the first member, others not')
    const ports = [...processes.members.values()].map(({ clusterPort }) => clusterPort)
    for (const [key, answer] of moved) {
      const [, slot, port] = /^MOVED (\d+) 127\.0\.0\.1:(\d+)$/.exec(answer) ?? []
      assert.is(Number(slot), slotOf(Buffer.from(key)))
      assert.ok(ports.includes(Number(port)) && Number(port) !== first.clusterPort)
    }
    const info = await cli(first, 'clusterPort', 'CLUSTER', 'INFO')
    assert.match(info, /cluster_state:ok/)
    assert.match(info, /cluster_slots_assigned:16384/)
    assert.match(await cli(first, 'clusterPort', 'INFO', 'cluster'), /cluster_enabled:1/)
    assert.match(await cli(first, 'respPort', 'INFO', 'cluster'), /cluster_enabled:0/)
    assert.is((await cli(first, 'respPort', 'CLUSTER', 'NODES')).split('\n').length, 3)
  })
})

test.run()
