/**
 * Five real processes, each in a network namespace of its own, and what networks and machines do to them: what the simulator shows of the rules, shown of
 * sockets, signals and the kernel's TCP. Needs root; elsewhere it says so, and passes. `npm run test:namespaces` does the same many times over, at random.
 */
// deadline: 400 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { whyNoNetwork } from '../support/namespaces.ts'
import { Arena } from './arena.ts'

const test = suite('namespaces')
const SEED = 1

const reason = whyNoNetwork()
if (reason !== null) {
  test(`left out: ${reason}`, () => {})
} else {
  let arena: Arena

  test.after(async () => {
    await arena?.close()
  })

  /** The clients have gone on, and what they read was right. */
  const clean = async (fault: () => Promise<void>): Promise<void> => {
    const { clients } = arena
    const before = clients.writes
    await fault()
    assert.ok(clients.writes - before > 20, `only ${clients.writes - before} writes, failed: ${JSON.stringify([...clients.failures])}`)
    assert.equal(clients.violations, [], arena.members.lastWords(40))
  }

  // A test and no hook: what a hook throws is not told.
  test('five members on five hosts become one cluster, one of them far away', async () => {
    arena = await Arena.open(SEED)
  })

  test('a member that is killed takes nothing with it that was confirmed', () => clean(() => arena.kill(1)))

  test('a member that stood still until it was replaced serves nothing old when it goes on', () => clean(() => arena.stand(2)))

  test('a member whose cable was out comes back, and takes over from the others what they wrote meanwhile', () => clean(() => arena.cut(3)))

  test('a member that does not hear one other costs no key, and both are members afterwards', () => clean(() => arena.deafenTo(0, 2)))

  test('in the end every key holds, through every member, what its client was told', async () => {
    await arena.verify()
    const { clients, proxy } = arena
    assert.equal(clients.violations, [])
    assert.ok(clients.keys > 50 && clients.reads > 200, `${clients.keys} keys, ${clients.writes} writes, ${clients.reads} reads`)
    assert.ok(proxy.passed > 1_000, 'the last member is behind the proxy')
    console.log(`${clients.keys} keys, ${clients.writes} writes, ${clients.reads} reads; failed: ${JSON.stringify([...clients.failures])}`)
  })
}

test.run()
