/** Membership in a real thread over real sockets: a data path that stands still for 4 s is not held dead, and its pings are answered meanwhile. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SystemClock } from '../src/lib/clock.ts'
import { NO_PORTS } from '../src/lib/face-ports.ts'
import { type Logger, SILENT } from '../src/lib/logger.ts'
import { SecretKeys } from '../src/lib/secret-keys.ts'
import type { Membership } from '../src/membership/index.ts'
import { MembershipThread, type MembershipThreadOptions } from '../src/membership-thread.ts'
import { until } from './support/processes.ts'

const test = suite('membership thread')

const KEY = Buffer.alloc(32, 7).toString('base64')
const OTHER_KEY = Buffer.alloc(32, 8).toString('base64')
const BLOCKED = new URL('./support/fixtures/blocked-member.fixture.ts', import.meta.url)

interface Observer {
  readonly thread: MembershipThread
  readonly membership: Membership
  readonly address: string
  readonly told: string[]
}

async function observe(
  name: string,
  seeds: readonly string[],
  options: Partial<MembershipThreadOptions> = {},
  logger: Logger = SILENT,
): Promise<Observer> {
  const thread = await open(options, logger)
  const told: string[] = []
  const address = `127.0.0.1:${thread.port}`
  const meta = {
    peerAddress: address,
    uid: '',
    zone: '',
    leaving: false,
    forGood: false,
    tableVersion: 0,
    protocolMin: 1,
    protocolMax: 1,
    facePorts: NO_PORTS,
  }
  const membership = thread.membership(
    { name, generation: 1, address, meta },
    {
      memberChanged: (member) => void told.push(`${member.name} ${member.state}`),
      heldDead: () => void told.push('held dead'),
      superseded: () => void told.push('superseded'),
    },
  )
  membership.setSeeds(seeds)
  membership.start()
  return { thread, membership, address, told }
}

/** A port that the kernel chose for one protocol may be somebody's in the other: then it chooses again. */
async function open(options: Partial<MembershipThreadOptions>, logger: Logger = SILENT): Promise<MembershipThread> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await MembershipThread.open(
        { host: '127.0.0.1', port: 0, clusterId: 'blocked', keys: null, keysFile: null, verifies: true, logsDebug: false, ...options },
        { clock: new SystemClock(), logger, failed: (error) => assert.unreachable(error.message) },
      )
    } catch (error) {
      if (options.port !== undefined || attempt === 5 || !String(error).includes('EADDRINUSE')) throw error
    }
  }
}

async function close(observers: readonly Observer[]): Promise<void> {
  for (const { membership, thread } of observers) {
    membership.close()
    await thread.close()
  }
}

test('a member whose data path stands still for 4 s is alive to all, and one that is stopped is not', async () => {
  const keys = SecretKeys.parse([KEY])
  const a = await observe('a', [], { keys })
  const b = await observe('b', [a.address], { keys })
  const child: ChildProcess = fork(BLOCKED, [a.address, KEY])
  const heard: string[] = []
  child.on('message', (text: string) => heard.push(text))
  try {
    const both = [a, b]
    const seenAlive = (): boolean => both.every(({ membership }) => membership.member('blocked')?.state === 'alive')
    await until(async () => seenAlive() && heard.includes('b alive'), 10_000, 'the three to meet')
    const told = both.map((observer) => observer.told.length)
    child.send(4_000)
    await until(async () => heard.some((text) => text.startsWith('blocked')), 8_000, 'the data path to run again')
    assert.ok(heard.includes('blocked, and found hanging'), heard.join())
    assert.ok(
      both.every(({ membership }) => membership.stats().hungAnswersTotal >= 2),
      'it answered meanwhile, and said that it hung',
    )
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    assert.equal(
      both.map((observer) => observer.told.slice(told[both.indexOf(observer)])),
      [[], []],
    )
    assert.not.ok(heard.includes('held dead'))

    child.kill('SIGSTOP')
    await until(async () => both.every(({ membership }) => membership.member('blocked')?.state === 'dead'), 10_000, 'its death')
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
    await close([a, b])
  }
})

test('members with different keys do not meet until a file gives them one in common', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jackdaw-keys-'))
  const file = join(folder, 'keys')
  /** As the kubelet does: the new content appears at once, under the same name. */
  const write = (text: string): void => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  write(`# the old key\n${OTHER_KEY}\n`)
  const logged: string[] = []
  const line = (_fields: object, message: string): void => void logged.push(message)
  const a = await observe('a', [], { keys: SecretKeys.parse([KEY]) })
  const b = await observe('b', [a.address], { keysFile: file }, { ...SILENT, info: line, warn: line })
  try {
    await until(async () => a.membership.stats().packetsForgedTotal > 0, 5_000, 'a to refuse what b has signed')
    assert.is(b.membership.joined, false)
    write('no key at all')
    await until(async () => logged.some((text) => text.includes('cannot be read')), 5_000, 'b to complain')
    write(`${KEY}\n${OTHER_KEY}\n`)
    await until(async () => a.membership.member('b')?.state === 'alive' && b.membership.joined, 10_000, 'the two to meet')
    assert.not.ok(logged.join().includes(KEY))
  } finally {
    await close([a, b])
    rmSync(folder, { recursive: true })
  }
})

test('a port that is taken, and keys that cannot be read, are told by name at start', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  const reasonOf = (options: Partial<MembershipThreadOptions>): Promise<string> =>
    open(options).then(
      () => 'open',
      (error: Error) => error.message,
    )
  try {
    assert.match(await reasonOf({ port }), /EADDRINUSE/)
    assert.match(await reasonOf({ keysFile: '/there/is/none' }), /ENOENT/)
  } finally {
    taken.close()
  }
})

test('a thread that ends by itself is told once', async () => {
  const failures: string[] = []
  const thread = await MembershipThread.open(
    { host: '127.0.0.1', port: 0, clusterId: 'blocked', keys: null, keysFile: null, verifies: true, logsDebug: false },
    { clock: new SystemClock(), logger: SILENT, failed: (error) => void failures.push(error.message) },
  )
  const meta = {
    peerAddress: '',
    uid: '',
    zone: '',
    leaving: false,
    forGood: false,
    tableVersion: 0,
    protocolMin: 1,
    protocolMax: 1,
    facePorts: NO_PORTS,
  }
  const events = { memberChanged: () => {}, heldDead: () => {}, superseded: () => {} }
  // SWIM refuses a name that is too long, in its thread: nobody foresaw that there.
  thread.membership({ name: 'n'.repeat(200), generation: 1, address: '127.0.0.1:1', meta }, events).start()
  await until(async () => failures.length > 0, 5_000, 'the loss to be told')
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.is(failures.length, 1)
  assert.match(failures[0] as string, /name of a member/)
  await thread.close()
})

test('two processes of one machine tell each other the same time, though every thread measures by itself', async () => {
  const clock = new SystemClock()
  const a = await observe('a', [])
  const b = await observe('b', [a.address])
  try {
    const offsetMs = clock.wallMs() - clock.now()
    for (const { membership } of [a, b]) membership.tellTime({ offsetMs, settled: true })
    await until(async () => [a, b].every(({ membership }) => membership.clocks().length === 1), 10_000, 'each to hear the other')
    for (const { membership } of [a, b]) {
      const [heard] = membership.clocks()
      assert.ok(heard)
      // Half a round trip, which is at most 500 ms.
      for (const told of [heard.clockOffsetMs, heard.wallOffsetMs]) assert.ok(Math.abs(told - offsetMs) <= 260, `${told - offsetMs} ms`)
    }
  } finally {
    await close([a, b])
  }
})

test.run()
