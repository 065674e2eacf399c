/** `jackdaw cluster`, before a server that tells of a cluster that is not there. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { clusterReport } from '../../src/cache/cluster-report.ts'
import type { Picture } from '../../src/cache/topology.ts'
import { SLOT_COUNT } from '../../src/lib/slot.ts'
import { bulk, ScriptedServer } from '../client/scripted-server.ts'
import { clusterMember, memberFigures } from '../support/fake-topology.ts'
import { type Ended, jackdaw } from './command-line.ts'

const test = suite('cli: cluster')

const FOLLOWERS = [
  { name: 'b', lagMs: 3.4, backlogBytes: 10, incompleteSlots: 1 },
  { name: 'c', lagMs: 1, backlogBytes: 5, incompleteSlots: 2 },
]
const PICTURE: Picture = {
  version: 4,
  members: [clusterMember('a', { zone: 'east' }), clusterMember('b', { state: 'suspect', leaving: true })],
  ranges: [{ from: 0, to: SLOT_COUNT - 1, holder: 'a', weak: false, copies: [{ name: 'b', complete: true }] }],
}
const FIGURES = new Map([['a', memberFigures({ followers: FOLLOWERS })]])

async function ask(picture: Picture, args: readonly string[]): Promise<Ended & { heard: readonly string[] }> {
  const server = await ScriptedServer.start((words, peer) => {
    const [name, subcommand, option] = words.map(String)
    if (name === 'CLUSTER' && subcommand === 'REPORT') peer.send(bulk(JSON.stringify(clusterReport(picture, FIGURES, option === 'RANGES'))))
    else peer.send('-ERR unknown command\r\n')
  })
  try {
    return { ...(await jackdaw(['cluster', ...args], { addresses: server.address })), heard: server.heard }
  } finally {
    await server.close()
  }
}

test('members are printed a line each, and what is wrong is said', async () => {
  const { code, stdout, stderr } = await ask(PICTURE, [])
  assert.is(code, 0)
  assert.equal(
    stdout.split('\n').map((line) => line.split(/ {2,}/)),
    [
      ['member', 'state', 'ready', 'slots', 'complete', 'entries', 'bytes', 'lag ms', 'backlog', 'incomplete', 'gossip', 'zone'],
      ['a', 'alive', 'yes', '16384', '16384', '3', '1000', '3', '15', '3', 'host-a:7946', 'east'],
      ['b', 'suspect, leaving', '-', '0', '-', '-', '-', '-', '-', '-', 'host-b:7946', '-'],
      [''],
    ],
  )
  assert.is(stderr, 'seen by a: of 16384 slots 0 are not served and 0 have no complete copy\n')
})

test('a member that is alone is not said to lack copies', async () => {
  const gone = clusterMember('b', { state: 'dead' })
  const alone: Picture = {
    ...PICTURE,
    members: [clusterMember('a'), gone],
    ranges: [{ from: 0, to: SLOT_COUNT - 1, holder: 'a', weak: false, copies: [] }],
  }
  assert.is((await ask(alone, [])).stderr, 'seen by a: of 16384 slots 0 are not served; it is alone: there is nobody to copy to\n')
  const lacking: Picture = { ...alone, members: [clusterMember('a'), clusterMember('b')] }
  assert.is((await ask(lacking, [])).stderr, 'seen by a: of 16384 slots 0 are not served and 16384 have no complete copy\n')
})

test('--json prints the whole report, with ranges if asked', async () => {
  const plain = await ask(PICTURE, ['--json'])
  assert.equal(JSON.parse(plain.stdout), JSON.parse(JSON.stringify(clusterReport(PICTURE, FIGURES, false))))
  const detailed = await ask(PICTURE, ['--json', '--ranges'])
  assert.equal(JSON.parse(detailed.stdout).members[0].ranges, [[0, SLOT_COUNT - 1]])
})

test('the exit code tells that slots are not served', async () => {
  const broken: Picture = { ...PICTURE, ranges: [{ from: 0, to: SLOT_COUNT - 1, holder: null, weak: false, copies: [] }] }
  const { code, stderr } = await ask(broken, [])
  assert.is(code, 1)
  assert.match(stderr, '16384 are not served')
})

test.run()
