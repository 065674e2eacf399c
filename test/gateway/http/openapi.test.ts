/**
 * The OpenAPI document against the server that sends it: what it tells is there, what is there it tells, and the page that shows it loads nothing
 * from elsewhere.
 */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HttpGateway } from '../../../src/gateway/http/index.ts'
import { ERRORS } from '../../../src/lib/errors.ts'
import { FakeCache } from '../../support/fake-cache.ts'
import { call } from '../../support/http-client.ts'
import { face } from './face.ts'

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly tags: readonly string[]
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: Record<string, unknown>; description: string }[]
  readonly requestBody?: { content: Record<string, { schema: Record<string, unknown>; example: unknown }> }
  readonly responses: Record<
    string,
    { description: string; content?: Record<string, { schema: unknown; example?: unknown; examples?: unknown }> }
  >
}

interface Document {
  readonly openapi: string
  readonly info: { title: string; version: string }
  readonly servers: readonly { url: string }[]
  readonly tags: readonly { name: string }[]
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { schemas: Record<string, unknown> }
}

interface Context {
  cache: FakeCache
  gateway: HttpGateway
  port: number
  document: Document
}

const test = suite<Context>('openapi')

test.before.each(async (context) => {
  context.cache = new FakeCache()
  context.gateway = face({ cache: context.cache })
  context.port = await context.gateway.listen('127.0.0.1', 0)
  context.document = JSON.parse((await call(context.port, '/openapi.json')).text)
})

test.after.each(async ({ gateway }) => {
  await gateway.close(0)
})

function operations({ paths }: Document): [path: string, method: string, operation: Operation][] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [path, method, operation]),
  )
}

/** The routes that the project promises. */
const PROMISED = [
  'get,head /get/{key}',
  'post /set',
  'get,head /search',
  'get,head /',
  'get,head,put,post,delete /v1/{key}',
  'delete,post /flush',
  'post /keys',
  'get,head,delete /keys/{key}',
  'post,get,head,delete /v1/keys/{key}',
  'get,head /v1/ping',
  'get,head /v1/readiness',
  'get,head /ready',
  'get,head /live',
  'get,head /cluster',
  'post /register',
  'delete /register/{address}',
  'get,head /openapi.json',
  'get,head /docs',
  'get,head /docs/{file}',
]

test('the document is OpenAPI 3.1 and has every route that is promised, and no other', ({ document }) => {
  assert.is(document.openapi, '3.1.0')
  assert.is(document.info.version, '1.2.3')
  assert.equal(document.servers, [{ url: '/' }])
  const found = Object.entries(document.paths).map(([path, methods]) => `${Object.keys(methods).join()} ${path}`)
  const sorted = (routes: readonly string[]): string[] =>
    routes.map((route) => `${route.split(' ')[0]?.split(',').sort().join()} ${route.split(' ')[1]}`).sort()
  assert.equal(sorted(found), sorted(PROMISED))
})

test('the methods of each path are those that the server has', async ({ port, document }) => {
  for (const [path, methods] of Object.entries(document.paths)) {
    const url = path.replace('{key}', 'k').replace('{file}', 'start.js').replace('{address}', '10.0.0.8:7946')
    const options = await call(port, url, { method: 'OPTIONS' })
    assert.is(options.status, 204)
    const allowed = String(options.headers.allow).toLowerCase().split(', ')
    assert.equal(allowed.filter((method) => method !== 'options').sort(), Object.keys(methods).sort(), path)
    for (const method of ['get', 'head', 'put', 'post', 'delete', 'patch', 'trace']) {
      const { status } = await call(port, url, { method: method.toUpperCase() })
      assert.is(status === 405, !(method in methods), `${method} ${path}: ${status}`)
    }
  }
  const server = await call(port, '*', { method: 'OPTIONS' })
  assert.is(`${server.status} ${server.headers.allow}`, '204 GET, HEAD, POST, PUT, DELETE, OPTIONS')
})

test('every operation has a name of its own, a summary, a tag, errors, and examples of what it takes and gives', ({ document }) => {
  const ids = new Set<string>()
  const tags = document.tags.map(({ name }) => name)
  for (const [path, method, operation] of operations(document)) {
    const where = `${method} ${path}`
    assert.not(ids.has(operation.operationId), where)
    ids.add(operation.operationId)
    assert.ok(operation.summary.length > 5, where)
    assert.ok(
      operation.tags.every((tag) => tags.includes(tag)),
      where,
    )
    assert.ok(
      Object.keys(operation.responses).some((status) => Number(status) >= 400),
      where,
    )
    assert.is(path.includes('{'), operation.parameters?.some((parameter) => parameter.in === 'path' && parameter.required) ?? false, where)
    for (const parameter of operation.parameters ?? []) {
      assert.ok(parameter.description.length > 5 && typeof parameter.schema === 'object', `${where} ${parameter.name}`)
      assert.not(['accept', 'content-type', 'authorization'].includes(parameter.name.toLowerCase()))
    }
    for (const [status, { description, content = {} }] of Object.entries(operation.responses)) {
      assert.match(status, /^[2345]\d\d$/)
      assert.ok(description.length > 0, where)
      assert.is(method === 'head' && Object.keys(content).length > 0, false)
      for (const [type, shown] of Object.entries(content)) {
        assert.ok(type === 'application/octet-stream' || 'example' in shown || 'examples' in shown, `${where} ${status} ${type}`)
      }
    }
    for (const { example } of Object.values(operation.requestBody?.content ?? {})) assert.ok(example !== undefined, where)
  }
})

test('references lead somewhere, and errors are those of the table', ({ document }) => {
  const text = JSON.stringify(document)
  const names = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map((match) => match[1] as string)
  assert.ok(names.length > 10)
  for (const name of names) assert.ok(name in document.components.schemas, name)
  const known = new Set(Object.values(ERRORS).map(({ http }) => String(http)))
  for (const [path, method, { responses }] of operations(document)) {
    for (const status of Object.keys(responses)) assert.ok(Number(status) < 400 || known.has(status), `${method} ${path} ${status}`)
  }
})

test('an example that is sent as it stands is accepted', async ({ port, document }) => {
  for (const [path, method, { requestBody }] of operations(document)) {
    for (const [type, { example }] of Object.entries(requestBody?.content ?? {})) {
      const body = typeof example === 'string' ? example : JSON.stringify(example)
      const answer = await call(port, path.replace('{key}', 'k'), { method: method.toUpperCase(), body, headers: { 'content-type': type } })
      assert.ok(answer.status >= 200 && answer.status < 300, `${method} ${path} ${type}: ${answer.text}`)
    }
  }
})

test('limits in the document are those that are checked', async ({ port, document }) => {
  const search = document.paths['/search']?.['get']?.parameters ?? []
  for (const { name, schema } of search) {
    const { minimum, maximum, type } = schema as { minimum?: number; maximum?: number; type: string }
    const wrong: (string | number)[] =
      type === 'integer' ? [Number(minimum) - 1, Number(maximum) + 1, 'x', 1.5] : type === 'boolean' ? ['yes', 1] : []
    for (const value of wrong) assert.is((await call(port, `/search?${name}=${value}`)).status, 400, `${name}=${value}`)
    for (const value of type === 'integer' ? [minimum, maximum] : type === 'boolean' ? [true, false] : ['YQ']) {
      assert.is((await call(port, `/search?${name}=${value}`)).status, 200, `${name}=${value}`)
    }
  }
  assert.equal(search.map(({ name }) => name).sort(), ['cursor', 'limit', 'prefix', 'suffix', 'values'])
  for (const path of ['/get/{key}', '/v1/{key}', '/keys/{key}', '/v1/keys/{key}']) {
    const key = document.paths[path]?.['get']?.parameters?.find(({ name }) => name === 'key')
    const length = Number(key?.schema['maxLength'])
    assert.is((await call(port, path.replace('{key}', 'x'.repeat(length)))).status, 404)
    assert.is((await call(port, path.replace('{key}', 'x'.repeat(length + 1)))).status, 400)
  }
})

test('the page and all that it loads are here, under a policy that allows nothing else', async ({ port }) => {
  const page = await call(port, '/docs', { headers: { accept: 'text/html' } })
  assert.is(page.headers['content-type'], 'text/html; charset=utf-8')
  const policy = String(page.headers['content-security-policy'])
  assert.match(policy, "default-src 'none'")
  assert.not.match(policy, /https?:|\*|unsafe-eval|script-src[^;]*unsafe/)
  const loaded = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] as string)
  assert.ok(loaded.length >= 4)
  for (const path of loaded) {
    assert.match(path, /^\/[^/]/)
    const file = await call(port, path)
    assert.is(file.status, 200, path)
    assert.ok(file.body.length > 100)
    if (path.endsWith('.css')) assert.not.match(file.text, /url\(["']?https?:|@import/)
  }
  const start = (await call(port, '/docs/start.js')).text
  assert.match(start, "url: '/openapi.json'")
  assert.match(start, 'validatorUrl: null')
  for (const path of ['/docs/none.js', '/docs/..%2Fpackage.json', '/docs/../package.json', '/docs/swagger-ui.css/x']) {
    assert.is((await call(port, path)).status, 404, path)
  }
  assert.match((await call(port, '/', { headers: { accept: 'text/html' } })).text, 'href="/docs"')
})

test.run()
