/** Members that know nobody are joined by `POST /register`, and one leaves by `DELETE /register/{address}`: over real sockets. */
// deadline: 90 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ClusterReport } from '../../src/cache/cache.ts'
import { getValue, type Process, Processes, setPairs, until } from '../support/processes.ts'

const test = suite('integration: register')

async function report({ url }: Process): Promise<ClusterReport> {
  return (await (await fetch(`${url}/cluster`)).json()) as ClusterReport
}

async function register({ url }: Process, address: string): Promise<[number, string]> {
  const answer = await fetch(`${url}/register`, { method: 'POST', body: JSON.stringify({ address }) })
  return [answer.status, ((await answer.json()) as { state: string }).state]
}

test('two members that know nobody become one cluster, and one again', async () => {
  const flocks = ['east', 'west'].map((name) => new Processes([name]))
  try {
    for (const flock of flocks) await flock.startAll()
    const [east, west] = flocks.map(({ members }) => [...members.values()][0]) as [Process, Process]
    await setPairs(east.url, { east: 1 })
    await setPairs(west.url, { west: 2 })
    const gossip = (await report(west)).members[0]?.addresses.gossip as string
    assert.equal(await register(east, gossip), [202, 'asked'])
    const names = async (member: Process): Promise<string> =>
      (await report(member)).members
        .map(({ name, state }) => `${name} ${state}`)
        .sort()
        .join()
    for (const member of [east, west]) {
      await until(async () => (await names(member)) === 'east alive,west alive', 10_000, 'the two to meet')
    }
    assert.equal(await register(east, gossip), [200, 'member'])
    for (const member of [east, west]) {
      await until(async () => (await getValue(member.url, 'east')) === 1 && (await getValue(member.url, 'west')) === 2, 20_000, 'both keys')
    }
    for (const address of Object.values((await report(east)).members.find(({ name }) => name === 'west')?.addresses ?? {})) {
      assert.match(String(address), /^127\.0\.0\.1:\d+$/)
    }
    await until(async () => (await report(east)).uncopiedSlots === 0, 30_000, 'a copy of every slot')
    const left = await fetch(`${east.url}/register/${gossip}`, { method: 'DELETE' })
    assert.equal([left.status, await left.json()], [202, { member: 'west', state: 'leaving' }])
    await until(
      async () => (await report(east)).members.find(({ name }) => name === 'east')?.slots === 16_384,
      30_000,
      'every slot to be handed over',
    )
    for (const member of [east, west]) assert.equal([await getValue(member.url, 'east'), await getValue(member.url, 'west')], [1, 2])
    assert.is((await fetch(`${east.url}/register/127.0.0.1:1`, { method: 'DELETE' })).status, 404)
  } finally {
    for (const flock of flocks) await flock.close()
  }
})

test.run()
