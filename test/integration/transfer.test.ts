/** What one face writes is exported and imported by the command line, and every face reads what it read before. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { jackdaw } from '../cli/command-line.ts'
import { face } from '../gateway/http/face.ts'
import { call } from '../support/http-client.ts'
import { localCache } from '../support/local-cache.ts'
import { respFace } from '../support/resp-face.ts'

const test = suite('integration: export and import')

test('JSON comes back as JSON and strings as strings, in every digit', async () => {
  const { cache } = localCache()
  const [http, resp] = [face({ cache }), respFace({ cache })]
  const folder = await mkdtemp(join(tmpdir(), 'jackdaw-transfer-'))
  try {
    const port = await http.listen('127.0.0.1', 0)
    const addresses = `127.0.0.1:${await resp.listen('127.0.0.1', 0)}`
    const body = '{"big":12345678901234567890,"bytes":{"$base64":"/wA="},"list":[1, 2],"s":"12","word":"three"}'
    await call(port, '/set', { body })
    const before = (await call(port, '/')).text
    assert.is(before, body)
    const file = join(folder, 'dump')
    assert.is((await jackdaw(['export', file], { addresses })).stderr, '5 exported\n')
    assert.is((await jackdaw(['flush'], { addresses })).code, 0)
    assert.is((await call(port, '/')).text, '{}')
    assert.is((await jackdaw(['import', file], { addresses })).stderr, '5 imported\n')
    assert.is((await call(port, '/')).text, before)
  } finally {
    await http.close(0)
    await resp.close(0)
    await rm(folder, { recursive: true })
  }
})

test.run()
