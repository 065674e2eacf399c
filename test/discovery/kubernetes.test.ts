/**
 * The whole of Kubernetes discovery against an API server on real sockets. Deadlines and waits are the virtual clock's: a test moves it, and gives
 * the sockets a few turns of the real event loop in between.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ApiSource } from '../../src/discovery/api-source.ts'
import type { DiscoveryEvents, DiscoverySnapshot } from '../../src/discovery/discovery.ts'
import { inClusterSource, KubernetesDiscovery, kubernetesSource } from '../../src/discovery/kubernetes.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { FakeApiServer, podObject, refuse, statefulSetObject } from './fake-api-server.ts'

const test = suite('Kubernetes discovery')

/** Longer than any wait before a call is repeated. */
const LONGEST_WAIT_MS = 10_000

class World {
  readonly clock = new FakeClock()
  readonly server = new FakeApiServer()
  readonly snapshots: DiscoverySnapshot[] = []
  /** All that was told, in order. */
  readonly told: string[] = []
  readonly log: string[] = []
  readonly events: DiscoveryEvents = {
    changed: (snapshot) => {
      this.snapshots.push(snapshot)
      this.told.push('changed')
    },
    gone: (name, uid) => void this.told.push(`gone ${name}/${uid}`),
  }
  /** For each collection whether the client has seen its watch accepted: the server knows a little earlier. */
  readonly #accepted = new Map<string, boolean>()
  #discovery: KubernetesDiscovery | null = null

  discovery(user: object = {}): KubernetesDiscovery {
    const config = new KubeConfig()
    config.loadFromOptions({
      clusters: [{ name: 'fake', server: this.server.url, skipTLSVerify: true }],
      users: [{ name: 'pod', ...user }],
      contexts: [{ name: 'test', cluster: 'fake', user: 'pod' }],
      currentContext: 'test',
    })
    const note = (level: string) => (_fields: object, message: string) => void this.log.push(`${level}: ${message}`)
    this.#discovery = new KubernetesDiscovery({
      clock: this.clock,
      // The middle of every range: a watch of 255 s, a list every 300 s, waits of three quarters.
      random: { next: () => 0.5 },
      logger: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
      source: this.#noting(kubernetesSource(config)),
      namespace: 'birds',
      selector: 'app=jackdaw',
      statefulSet: 'jackdaw',
      selfUid: 'uid-0',
      gossipPort: 7946,
    })
    return this.#discovery
  }

  #noting(source: ApiSource): ApiSource {
    return {
      list: (...call) => source.list(...call),
      watch: (collection, resourceVersion, timeoutSeconds, handlers) => {
        this.#accepted.set(collection.path, false)
        return source.watch(collection, resourceVersion, timeoutSeconds, {
          ...handlers,
          opened: () => {
            this.#accepted.set(collection.path, true)
            handlers.opened()
          },
        })
      },
    }
  }

  get names(): string[] | undefined {
    return this.snapshots.at(-1)?.candidates.map(({ name, uid }) => `${name}/${uid}`)
  }

  /** Waits until both collections are watched, and both sides know it. */
  async watching(stepMs: number = 0): Promise<void> {
    const { server } = this
    const isWatched = () => server.openWatches('pods') === 1 && server.openWatches('statefulsets') === 1
    await this.until('both watches', () => isWatched() && [...this.#accepted.values()].every(Boolean), stepMs)
  }

  /** Goes to the hour of the regular list, and asserts that it does not come early. Half-way the watches end in their turn. */
  async toRelist(): Promise<void> {
    const before = this.server.listsOf('pods').length
    this.clock.advance(150_000)
    this.server.endWatches('pods')
    this.server.endWatches('statefulsets')
    await this.watching(10)
    this.clock.advance(145_000)
    await this.settle()
    assert.is(this.server.listsOf('pods').length, before)
    this.clock.advance(10_000)
    await this.until('the regular list', () => this.server.listsOf('pods').length > before)
  }

  /** Gives the sockets time until `done`; virtual time moves by `stepMs` a turn. */
  async until(what: string, done: () => boolean, stepMs: number = 0): Promise<void> {
    const end = performance.now() + 3000
    while (!done()) {
      if (performance.now() > end) throw new Error(`${what}: not so after 3 s; log: ${this.log.join('; ')}`)
      if (stepMs > 0) this.clock.advance(stepMs)
      await turn()
    }
  }

  /** Time enough for whatever is under way on the sockets. */
  async settle(): Promise<void> {
    for (let i = 0; i < 15; i++) await turn()
  }

  async end(): Promise<void> {
    this.#discovery?.close()
    await this.server.down()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1))
}

/** A world of two pods and a StatefulSet of three. */
function scenario(name: string, run: (world: World) => Promise<void>): void {
  test(name, async () => {
    const world = new World()
    await world.server.up()
    world.server.put('pods', podObject('jackdaw-0', 'uid-0'))
    world.server.put('pods', podObject('jackdaw-1', 'uid-1'))
    world.server.put('statefulsets', statefulSetObject(3))
    try {
      await run(world)
    } finally {
      await world.end()
    }
  })
}

/** The same, discovered and watched. */
function watched(name: string, run: (world: World, server: FakeApiServer) => Promise<void>): void {
  scenario(name, async (world) => {
    world.discovery().start(world.events)
    await world.watching()
    await run(world, world.server)
  })
}

scenario('it lists, tells what there is, and watches from there', async (world) => {
  const { server } = world
  world.discovery().start(world.events)
  assert.equal(world.told, [])
  await world.watching()
  assert.equal(world.told, ['changed'])
  assert.equal(world.names, ['jackdaw-0/uid-0', 'jackdaw-1/uid-1'])
  assert.equal(world.snapshots[0]?.wanted, ['jackdaw-0', 'jackdaw-1', 'jackdaw-2'])
  assert.is(world.snapshots[0]?.candidates[0]?.address, '10.0.0.1:7946')
  server.put('pods', podObject('jackdaw-2', 'uid-2', { status: { phase: 'Pending', podIP: undefined, containerStatuses: [] } }))
  await world.until('the third pod', () => world.names?.[2] === 'jackdaw-2/uid-2')
  assert.is(world.snapshots.at(-1)?.candidates[2]?.knownNotRunning, true)
  server.put('statefulsets', statefulSetObject(1))
  await world.until('the new size', () => world.snapshots.at(-1)?.wanted.length === 1)
})

watched('it asks for its own namespace, selector and StatefulSet, and for nothing but lists and watches', async (_world, server) => {
  for (const { kind, path, query, watch } of server.requests) {
    assert.is(path, kind === 'pods' ? '/api/v1/namespaces/birds/pods' : '/apis/apps/v1/namespaces/birds/statefulsets')
    assert.is(query.get('labelSelector'), kind === 'pods' ? 'app=jackdaw' : null)
    assert.is(query.get('fieldSelector'), kind === 'pods' ? null : 'metadata.name=jackdaw')
    if (!watch) continue
    assert.is(query.get('allowWatchBookmarks'), 'true')
    const timeoutSeconds = Number(query.get('timeoutSeconds'))
    assert.ok(timeoutSeconds >= 240 && timeoutSeconds <= 270, `${timeoutSeconds}`)
  }
  assert.is(server.requests.length, 4)
})

watched('a deletionTimestamp is told as stopping, DELETED as a fact before the picture', async (world, server) => {
  server.put('pods', podObject('jackdaw-1', 'uid-1', { metadata: { deletionTimestamp: '2026-01-01T00:00:30Z' } }))
  await world.until('stopping', () => world.snapshots.at(-1)?.candidates[1]?.stopping === true)
  assert.equal(world.told, ['changed', 'changed'])
  server.remove('pods', 'jackdaw-1')
  await world.until('gone', () => world.told.length === 4)
  assert.equal(world.told.slice(2), ['gone jackdaw-1/uid-1', 'changed'])
  assert.equal(world.names, ['jackdaw-0/uid-0'])
})

scenario('a list of several pages is put together, and told once', async (world) => {
  for (let i = 2; i < 250; i++) world.server.put('pods', podObject(`jackdaw-${i}`, `uid-${i}`))
  world.discovery().start(world.events)
  await world.watching()
  assert.is(world.names?.length, 250)
  assert.equal(world.told, ['changed'])
  const lists = world.server.listsOf('pods')
  assert.is(lists.length, 3)
  assert.equal(
    lists.map(({ query }) => query.has('continue')),
    [false, true, true],
  )
})

scenario('a list that breaks off after its first page says nothing, and begins anew', async (world) => {
  const { server } = world
  for (let i = 2; i < 150; i++) server.put('pods', podObject(`jackdaw-${i}`, `uid-${i}`))
  world.discovery().start(world.events)
  await world.watching()
  let refusals = 2
  server.intercept = ({ query }, response) => {
    if (!query.has('continue') || refusals === 0) return false
    refusals--
    refuse(response, 410, 'the continue token is too old')
    return true
  }
  server.remove('pods', 'jackdaw-149')
  await world.until('the deletion', () => world.told.includes('gone jackdaw-149/uid-149'))
  const told = world.told.length
  await world.toRelist()
  await world.until('both refusals', () => refusals === 0, 10)
  await world.watching(10)
  assert.is(world.told.length, told)
  assert.is(world.names?.length, 149)
})

for (const [what, break410] of [
  [
    'in an ERROR event',
    (server: FakeApiServer) => server.send('pods', JSON.stringify({ type: 'ERROR', object: { code: 410, message: 'too old' } })),
  ],
  ['as the answer to the next watch', (server: FakeApiServer) => server.endWatches('pods')],
] as const) {
  watched(`410 ${what} leads to a list, which finds what was missed`, async (world, server) => {
    break410(server)
    await world.until('the end of the watch', () => server.openWatches('pods') === 0)
    // Nobody is listening now.
    server.remove('pods', 'jackdaw-1')
    server.put('pods', podObject('jackdaw-1', 'uid-new'))
    server.compact()
    await world.until('the new life', () => world.names?.[1] === 'jackdaw-1/uid-new', 10)
    assert.equal(world.told, ['changed', 'gone jackdaw-1/uid-1', 'changed'])
    await world.watching()
    assert.is(server.listsOf('pods').length, 2)
  })
}

for (const [what, line] of [
  ['another ERROR', JSON.stringify({ type: 'ERROR', object: { code: 500, message: 'etcd is away' } })],
  ['an event without a version', JSON.stringify({ type: 'ADDED', object: podObject('jackdaw-9', 'uid-9') })],
  ['a line that is no JSON', '{"type":"ADD'],
  [
    'an event of five megabytes',
    JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '900' }, note: 'x'.repeat(5_000_000) } }),
  ],
] as const) {
  watched(`${what} ends the watch, and the next list mends the picture`, async (world, server) => {
    server.send('pods', line)
    await world.until('a second list', () => server.listsOf('pods').length === 2, 10)
    await world.watching()
    assert.equal(world.told, ['changed'])
  })
}

watched('an event of a type that later servers may send is passed over', async (world, server) => {
  server.send('pods', JSON.stringify({ type: 'RENAMED', object: { metadata: { resourceVersion: String(server.version) } } }))
  server.put('pods', podObject('jackdaw-2', 'uid-2'))
  await world.until('the event after it', () => world.names?.length === 3)
  assert.is(server.listsOf('pods').length, 1)
})

watched('a watch that the server ends is resumed after its last event, bookmarks included', async (world, server) => {
  server.put('pods', podObject('jackdaw-2', 'uid-2'))
  await world.until('the event', () => world.names?.length === 3)
  const afterEvent = server.version
  server.endWatches('pods')
  await world.until('a second watch', () => server.watchesOf('pods').length === 2, 10)
  assert.is(server.watchesOf('pods')[1]?.query.get('resourceVersion'), String(afterEvent))
  await world.watching()
  server.bookmark('pods')
  await world.settle()
  // What happens between two watches is not lost.
  server.endWatches('pods')
  const bookmarked = server.version
  server.remove('pods', 'jackdaw-2')
  await world.until('the deletion', () => world.told.includes('gone jackdaw-2/uid-2'), 10)
  assert.is(server.watchesOf('pods')[2]?.query.get('resourceVersion'), String(bookmarked))
  assert.is(server.listsOf('pods').length, 1)
})

watched('events are read whole, however the network cuts them', async (world, server) => {
  const event = JSON.stringify({
    type: 'ADDED',
    object: podObject('jackdaw-2', 'uid-2', { metadata: { resourceVersion: '500', note: 'Füße 🐦' } }),
  })
  const bytes = Buffer.from(`${event}\n${event.replaceAll('-2', '-3')}\n`)
  server.endWatches('pods')
  const watches: ServerResponse[] = []
  server.intercept = ({ kind, watch }, response) => {
    if (kind !== 'pods' || !watch) return false
    response.writeHead(200)
    response.flushHeaders()
    response.socket?.setNoDelay(true)
    watches.push(response)
    return true
  }
  await world.until('the watch', () => watches.length === 1, 10)
  for (let from = 0; from < bytes.length; from += 7) {
    watches[0]?.write(bytes.subarray(from, from + 7))
    if (from % 70 === 0) await turn()
  }
  await world.until('both pods', () => world.names?.length === 4)
  assert.is(server.listsOf('pods').length, 1)
})

watched('a watch that is still silent 15 s past its own end is given up, and resumed', async (world, server) => {
  assert.is(server.watchesOf('pods')[0]?.query.get('timeoutSeconds'), '255')
  world.clock.advance(269_000)
  await world.settle()
  assert.is(server.watchesOf('pods').length, 1)
  world.clock.advance(1_001)
  await world.until('the old connections gone', () => server.openSockets === 0)
  await world.until('a second watch', () => server.watchesOf('pods').length === 2, 10)
  await world.watching()
  assert.is(server.listsOf('pods').length, 1)
  assert.is(server.watchesOf('pods')[1]?.query.get('resourceVersion'), server.watchesOf('pods')[0]?.query.get('resourceVersion'))
  server.put('pods', podObject('jackdaw-2', 'uid-2'))
  await world.until('the event', () => world.names?.length === 3)
})

for (const [what, isAsked] of [
  ['list', false],
  ['watch', true],
] as const) {
  scenario(`a ${what} that is never answered is given up after 15 s`, async (world) => {
    const { server } = world
    let hung = 0
    server.intercept = ({ kind, watch }) => {
      if (kind !== 'pods' || watch !== isAsked || hung > 0) return false
      hung++
      return true
    }
    world.discovery().start(world.events)
    await world.until('the request', () => hung === 1)
    await world.until('the other watch', () => server.openWatches('statefulsets') === 1)
    world.clock.advance(14_000)
    await world.settle()
    assert.is((isAsked ? server.watchesOf('pods') : server.listsOf('pods')).length, 1)
    world.clock.advance(1_100)
    await world.watching(10)
    assert.is(server.listsOf('pods').length, isAsked ? 1 : 2)
    assert.ok(world.log.some((line) => line.startsWith('warn: the Kubernetes API did not answer')))
    assert.ok(!isAsked || world.log.includes('info: the Kubernetes API answers again'))
  })
}

watched('while the server is away nothing changes; afterwards what was missed is told', async (world, server) => {
  await server.down()
  for (let i = 0; i < 40; i++) {
    world.clock.advance(LONGEST_WAIT_MS)
    await turn()
    await turn()
  }
  assert.equal(world.told, ['changed'])
  assert.is(world.log.filter((line) => line.startsWith('warn')).length, 2)
  server.remove('pods', 'jackdaw-1')
  server.put('statefulsets', statefulSetObject(2))
  await server.up()
  await world.watching(100)
  assert.is(world.told.filter((line) => line === 'gone jackdaw-1/uid-1').length, 1)
  assert.equal(world.names, ['jackdaw-0/uid-0'])
  assert.equal(world.snapshots.at(-1)?.wanted, ['jackdaw-0', 'jackdaw-1'])
})

scenario('a server that refuses is asked ever less often, up to every ten seconds', async (world) => {
  const { server } = world
  const at: number[] = []
  server.intercept = ({ kind }, response) => {
    if (kind === 'pods') at.push(world.clock.now())
    refuse(response, 403, 'pods is forbidden')
    return true
  }
  world.discovery().start(world.events)
  await world.until('twelve attempts', () => at.length >= 12, 100)
  const waits = at.slice(1).map((time, i) => time - (at[i] as number))
  for (const [i, wait] of waits.entries()) {
    const longest = Math.min(LONGEST_WAIT_MS, 200 * 2 ** i)
    // The virtual clock moves 100 ms a turn, and an answer takes a few turns.
    assert.ok(wait >= longest / 2 && wait <= longest + 2_000, `wait ${i}: ${wait} ms`)
  }
  assert.equal(world.told, [])
})

watched('after a watch that lasted, the next one comes soon, however much failed before', async (world, server) => {
  for (let i = 0; i < 6; i++) {
    server.endWatches('pods')
    await world.until('the next watch', () => server.watchesOf('pods').length === 2 + i, 100)
    await world.watching()
  }
  world.clock.advance(LONGEST_WAIT_MS)
  server.endWatches('pods')
  await world.settle()
  // Three quarters of the shortest wait, not of 10 s.
  world.clock.advance(151)
  await world.until('the next watch', () => server.watchesOf('pods').length === 8)
})

for (const status of [429, 500]) {
  watched(`a watch refused with ${status} is ${status === 429 ? 'asked for again' : 'preceded by a list'}`, async (world, server) => {
    let refusals = 1
    server.intercept = ({ kind, watch }, response) => {
      if (kind !== 'pods' || !watch || refusals === 0) return false
      refusals--
      refuse(response, status, 'not now')
      return true
    }
    server.endWatches('pods')
    await world.until('the refusal', () => refusals === 0, 10)
    await world.until('the next watch', () => server.openWatches('pods') === 1, 10)
    assert.is(server.listsOf('pods').length, status === 429 ? 1 : 2)
  })
}

watched('the list is taken again every five minutes, the old watch given up first', async (world, server) => {
  for (let round = 1; round <= 3; round++) {
    await world.toRelist()
    await world.watching()
    assert.is(server.listsOf('pods').length, 1 + round)
    assert.is(server.listsOf('statefulsets').length, 1 + round)
  }
  await world.until('the old connections gone', () => server.openSockets === 2)
  assert.equal(world.told, ['changed'])
})

watched('a list without our own pod removes nobody', async (world, server) => {
  server.intercept = ({ watch }, response) => {
    if (watch) return false
    response.end(JSON.stringify({ items: [], metadata: { resourceVersion: String(server.version) } }))
    return true
  }
  await world.toRelist()
  const warnings = [
    'warn: a list of pods lacks our own; nobody is removed by it',
    'warn: there is no StatefulSet of this name; what is known of its size stays',
  ]
  await world.until('both warnings', () => warnings.every((warning) => world.log.includes(warning)))
  assert.equal(world.told, ['changed'])
})

watched('the deletion of the StatefulSet leaves its last size', async (world, server) => {
  server.remove('statefulsets', 'jackdaw')
  await world.settle()
  assert.equal(world.told, ['changed'])
})

for (const body of ['{"kind":"PodList"}', '{"items":[]}', '{"items":[],"metadata":{"resourceVersion":""}}', 'null', '<html>', '']) {
  scenario(`an answer that is no list (${body || 'empty'}) is a failed one`, async (world) => {
    world.server.intercept = ({ kind, watch }, response) => {
      if (kind !== 'pods' || watch || world.server.listsOf('pods').length > 1) return false
      response.end(body)
      return true
    }
    world.discovery().start(world.events)
    await world.until('the next list', () => world.snapshots.length === 1, 10)
    assert.is(world.server.listsOf('pods').length, 2)
  })
}

scenario('a listener that throws is logged, and hears what comes next', async (world) => {
  let calls = 0
  const events: DiscoveryEvents = {
    changed: () => {
      calls++
      throw new Error('changed failed')
    },
    gone: () => {
      calls++
      throw new Error('gone failed')
    },
  }
  world.discovery().start(events)
  await world.watching()
  world.server.remove('pods', 'jackdaw-1')
  await world.until('the third call', () => calls === 3)
  assert.is(world.log.filter((line) => line === 'error: a listener of discovery threw').length, 3)
  await world.settle()
  assert.is(world.server.openWatches('pods'), 1)
  assert.is(world.server.requests.length, 4)
})

for (const [what, reach] of [
  [
    'before the first answer',
    (world: World) => {
      world.server.intercept = () => true
      return world.until('both requests', () => world.server.requests.length === 2)
    },
  ],
  ['in a watch', (world: World) => world.watching()],
  [
    'in a wait',
    async (world: World) => {
      await world.watching()
      world.server.endWatches('pods')
      await world.settle()
    },
  ],
] as const) {
  scenario(`after close ${what} nothing is told, nothing asked, and no connection is left`, async (world) => {
    const { server } = world
    const discovery = world.discovery()
    discovery.start(world.events)
    await reach(world)
    discovery.close()
    discovery.close()
    const told = world.told.length
    server.put('pods', podObject('jackdaw-2', 'uid-2'))
    await world.settle()
    await world.until('no connection', () => server.openSockets === 0)
    const asked = server.requests.length
    world.clock.advance(3_600_000)
    await world.settle()
    assert.is(server.requests.length, asked)
    assert.is(world.told.length, told)
  })
}

scenario('close right after start asks nothing at all', async (world) => {
  const discovery = world.discovery()
  discovery.start(world.events)
  discovery.close()
  await world.settle()
  assert.is(world.server.requests.length, 0)
})

scenario('close from inside a callback is the last word', async (world) => {
  const discovery = world.discovery()
  let calls = 0
  discovery.start({
    changed: () => {
      calls++
      discovery.close()
    },
    gone: () => calls++,
  })
  await world.until('the call', () => calls === 1)
  await world.until('no connection', () => world.server.openSockets === 0)
  assert.is(calls, 1)
})

scenario('the token is read from its file, and a file that is missing is a failure like any other', async (world) => {
  const folder = mkdtempSync(join(tmpdir(), 'jackdaw-token-'))
  const tokenFile = join(folder, 'token')
  try {
    world.discovery({ authProvider: { name: 'tokenFile', config: { tokenFile } } }).start(world.events)
    await world.until('a warning', () => world.log.some((line) => line.startsWith('warn')))
    assert.is(world.server.requests.length, 0)
    writeFileSync(tokenFile, 'secret')
    await world.watching(10)
    assert.ok(world.server.requests.every(({ authorization }) => authorization === 'Bearer secret'))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('outside a cluster the in-cluster source refuses to be made', () => {
  assert.throws(() => inClusterSource(), /the Kubernetes API is not known/)
})

test.run()
