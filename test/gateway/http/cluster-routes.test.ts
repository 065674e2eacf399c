/** `/cluster` and `/register`. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HttpGateway } from '../../../src/gateway/http/index.ts'
import { CacheError } from '../../../src/lib/errors.ts'
import { SLOT_COUNT } from '../../../src/lib/slot.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { clusterMember, memberFigures } from '../../support/fake-topology.ts'
import { call } from '../../support/http-client.ts'
import { face } from './face.ts'

interface Context {
  cache: FakeCache
  gateway: HttpGateway
  port: number
}

const test = suite<Context>('cluster routes')

test.before.each(async (context) => {
  context.cache = new FakeCache()
  context.gateway = face({ cache: context.cache })
  context.port = await context.gateway.listen('127.0.0.1', 0)
})

test.after.each(async ({ gateway }) => {
  await gateway.close(0)
})

test('the report has members, addresses, shares and the figures of those that answered', async ({ cache, port }) => {
  const { topology } = cache
  topology.members = [clusterMember('fake', { zone: 'z' }), clusterMember('six', { host: 'fd00::6', state: 'suspect', leaving: true })]
  topology.ranges = [
    { from: 0, to: 9, holder: 'fake', weak: false, copies: [{ name: 'six', complete: true }] },
    { from: 10, to: 19, holder: 'fake', weak: true, copies: [{ name: 'six', complete: false }] },
    { from: 20, to: SLOT_COUNT - 1, holder: 'six', weak: false, copies: [{ name: 'fake', complete: true }] },
  ]
  const figures = memberFigures({ followers: [{ name: 'six', lagMs: 12, backlogBytes: 34, incompleteSlots: 10 }] })
  topology.answers = new Map([['fake', figures]])
  const answer = await call(port, '/cluster')
  assert.is(`${answer.status} ${answer.headers['content-type']}`, '200 application/json; charset=utf-8')
  const report = JSON.parse(answer.text)
  const { members, ...rest } = report
  assert.equal(rest, { seenBy: 'fake', version: 1, slots: SLOT_COUNT, unservedSlots: 0, uncopiedSlots: 10 })
  assert.equal(members[0].figures, figures)
  assert.equal([members[0].slots, members[0].weakSlots, members[0].zone, members[0].addresses.cluster], [20, 10, 'z', 'host-fake:6380'])
  assert.equal([members[1].state, members[1].leaving, members[1].figures], ['suspect', true, null])
  assert.is(members[1].addresses.http, '[fd00::6]:8080')
  const detailed = JSON.parse((await call(port, '/cluster?ranges=true')).text)
  assert.equal(detailed.members[0].ranges, [[0, 19]])
  assert.is((await call(port, '/cluster?ranges=1')).status, 400)
  assert.is((await call(port, '/cluster', { method: 'HEAD' })).status, 200)
})

test('an address is registered, met already, or refused', async ({ cache, port }) => {
  const { topology } = cache
  const register = (body: string): Promise<string> => call(port, '/register', { body }).then(({ status, text }) => `${status} ${text}`)
  assert.is(await register('{"address":"10.0.0.8:7946"}'), '202 {"address":"10.0.0.8:7946","state":"asked"}')
  topology.joining = 'met'
  assert.is(await register('{"address":"10.0.0.8:7946"}'), '200 {"address":"10.0.0.8:7946","state":"member"}')
  topology.joining = 'malformed'
  assert.match(await register('{"address":"nonsense"}'), /^400 .*body_invalid/)
  assert.equal(topology.joined, ['10.0.0.8:7946', '10.0.0.8:7946', 'nonsense'])
  for (const body of ['', '{', '[]', 'null', '"10.0.0.8:1"', '{"address":7}', `{"address":"${'x'.repeat(300)}:1"}`]) {
    assert.match(await register(body), /^400 .*body_invalid/, body)
  }
  assert.is(topology.joined.length, 3)
})

test('a member is asked to leave by its name or an address of its', async ({ cache, port }) => {
  const { topology } = cache
  const unregister = (member: string): Promise<string> =>
    call(port, `/register/${member}`, { method: 'DELETE' }).then(({ status, text }) => `${status} ${text}`)
  assert.is(await unregister('10.0.0.8:7946'), '202 {"member":"fake","state":"leaving"}')
  assert.is(await unregister('%5Bfd00::6%5D:7946'), '202 {"member":"fake","state":"leaving"}')
  topology.retiredName = null
  assert.is(await unregister('10.0.0.9:7946'), '202 {"member":null,"state":"forgotten"}')
  topology.refusal = new CacheError('MEMBER_NOT_FOUND', 'nobody')
  assert.match(await unregister('nobody'), /^404 .*member_not_found/)
  topology.refusal = new CacheError('TRY_AGAIN', 'it could not be asked')
  assert.match(await unregister('somebody'), /^503 .*try_again/)
  assert.equal(topology.retired, ['10.0.0.8:7946', '[fd00::6]:7946', '10.0.0.9:7946', 'nobody', 'somebody'])
  assert.is((await call(port, '/register/a/b', { method: 'DELETE' })).status, 404)
  assert.is((await call(port, '/register', { method: 'DELETE' })).status, 405)
})

test.run()
