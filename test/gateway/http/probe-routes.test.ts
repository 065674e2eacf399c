/** `/live`, `/ready` and their other names. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FakeCache } from '../../support/fake-cache.ts'
import { call } from '../../support/http-client.ts'
import { face } from './face.ts'

const test = suite('probe routes')

test('a member that lives says so, and one that is not ready says why', async () => {
  let ready = { ok: false, reason: 'the slots are not complete yet' }
  const gateway = face({ cache: new FakeCache(), ready: () => ready })
  const port = await gateway.listen('127.0.0.1', 0)
  for (const method of ['GET', 'HEAD']) {
    for (const path of ['/live', '/v1/ping']) assert.is((await call(port, path, { method })).status, 200)
  }
  for (const path of ['/ready', '/v1/readiness']) {
    const answer = await call(port, path)
    assert.is(`${answer.status} ${answer.text}`, '503 the slots are not complete yet')
    assert.is((await call(port, path, { method: 'HEAD' })).status, 503)
  }
  ready = { ok: true, reason: '' }
  for (const path of ['/ready', '/v1/readiness']) {
    const answer = await call(port, path)
    assert.is(`${answer.status} ${answer.text}`, '200 OK')
  }
  await gateway.close(0)
})

test.run()
