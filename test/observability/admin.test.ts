import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SILENT } from '../../src/lib/logger.ts'
import { AdminServer } from '../../src/observability/admin.ts'
import { Metrics } from '../../src/observability/metrics.ts'
import { call, raw } from '../support/http-client.ts'

interface Context {
  admin: AdminServer
  metrics: Metrics
  port: number
  ready: { ok: boolean; reason: string }
  started: { ok: boolean; reason: string }
}

const test = suite<Context>('admin')

test.before.each(async (context) => {
  context.ready = { ok: false, reason: 'slots are being filled' }
  context.started = { ok: false, reason: 'joining' }
  context.metrics = new Metrics('1')
  const health = { ready: () => context.ready, started: () => context.started }
  context.admin = new AdminServer({ metrics: context.metrics, health, logger: SILENT })
  context.port = await context.admin.listen('127.0.0.1', 0)
})

test.after.each(async ({ admin }) => {
  await admin.close()
})

test('the three probes say what the node says of itself, and why not', async (context) => {
  const probe = async (path: string): Promise<string> => {
    const { status, text } = await call(context.port, path)
    return `${status} ${text}`
  }
  assert.is(await probe('/livez'), '200 ok\n')
  assert.is(await probe('/readyz'), '503 slots are being filled\n')
  assert.is(await probe('/startupz'), '503 joining\n')
  context.ready = { ok: true, reason: '' }
  context.started = { ok: true, reason: '' }
  assert.is(await probe('/readyz?verbose'), '200 ok\n')
  assert.is(await probe('/startupz'), '200 ok\n')
})

test('metrics are in the text format', async ({ port }) => {
  const answer = await call(port, '/metrics')
  assert.is(answer.status, 200)
  assert.match(String(answer.headers['content-type']), /^text\/plain; version=0\.0\.4/)
  assert.match(answer.text, 'jackdaw_build_info{version="1"')
})

test('a metric that cannot be read is 500 and not the end of the process', async ({ port, metrics }) => {
  metrics.gauge('jackdaw_broken', 'Broken.', () => {
    throw new Error('broken')
  })
  assert.is((await call(port, '/metrics')).status, 500)
  assert.is((await call(port, '/livez')).status, 200)
})

test('other paths are 404, other methods 405, HEAD has no body', async ({ port }) => {
  assert.is((await call(port, '/')).status, 404)
  assert.is((await call(port, '/metrics/')).status, 404)
  const put = await call(port, '/livez', { method: 'PUT' })
  assert.is(put.status, 405)
  assert.is(put.headers.allow, 'GET, HEAD')
  const head = await call(port, '/livez', { method: 'HEAD' })
  assert.is(`${head.status} ${head.headers['content-length']} ${head.text}`, '200 3 ')
})

test('a port that is taken is told, and closing ends every connection', async ({ admin, port, metrics }) => {
  const verdict = { ok: true, reason: '' }
  const other = new AdminServer({ metrics, health: { ready: () => verdict, started: () => verdict }, logger: SILENT })
  let code: unknown
  await other.listen('127.0.0.1', port).catch((error: { code?: string }) => {
    code = error.code
  })
  assert.is(code, 'EADDRINUSE')
  await other.close()
  const kept = raw(port, 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
  await call(port, '/livez')
  await admin.close()
  await kept.catch(() => '')
})

test.run()
