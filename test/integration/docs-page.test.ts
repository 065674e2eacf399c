/**
 * The pages of the HTTP face in a browser: the one at `/`, and the one at `/docs`, whose buttons are pressed and whose answers are those of the server.
 * Without a Chromium nothing is tried, and the one test that is left says so.
 */
// deadline: 240 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { HttpGateway } from '../../src/gateway/http/index.ts'
import { face } from '../gateway/http/face.ts'
import { Browser, browserName } from '../support/browser.ts'
import { call } from '../support/http-client.ts'
import { localCache } from '../support/local-cache.ts'

interface Context {
  gateway: HttpGateway
  port: number
  browser: Browser
}

const installed = browserName()
const test = suite<Context>('integration: pages in a browser')

/** Opens an operation of the page, fills in what is given by name (`body` for the body), presses Execute, and answers the status and the body shown. */
async function execute(browser: Browser, operation: string, fields: Readonly<Record<string, string>> = {}): Promise<[string, string]> {
  const block = `#operations-${operation}`
  await browser.click(`${block} .opblock-summary-control`)
  // Before the page has looked up the operation it shows the button, and does not know yet what it is to send.
  await browser.until(`document.querySelector('${block} .responses-inner .response') !== null`)
  for (const [name, text] of Object.entries(fields)) {
    await browser.type(name === 'body' ? `${block} .body-param__text` : `${block} tr[data-param-name="${name}"] input`, text)
  }
  await browser.click(`${block} .execute`)
  await browser.until(`document.querySelector('${block} .live-responses-table .response') !== null`)
  const [status = ''] = await browser.texts(`${block} .live-responses-table .response .response-col_status`)
  const [body = ''] = await browser.texts(`${block} .live-responses-table .response .highlight-code code`)
  await browser.click(`${block} .opblock-summary-control`)
  return [status.trim(), body.replaceAll(/\s+/g, '')]
}

if (installed === null) {
  test('no Chromium is installed here: the pages were not opened', () => {
    assert.is(browserName(), null)
  })
} else {
  test.before(async (context) => {
    context.gateway = face({ cache: localCache().cache })
    context.port = await context.gateway.listen('127.0.0.1', 0)
    context.browser = await Browser.start(installed)
  })

  test.after(async ({ gateway, browser }) => {
    await browser.close()
    await gateway.close(0)
  })

  test('the page at / tells how to begin, and leads to /docs', async ({ browser, port }) => {
    await browser.open(`http://127.0.0.1:${port}/`)
    assert.is(await browser.evaluate('document.title'), 'Jackdaw')
    assert.match((await browser.texts('pre')).join('\n'), `curl http://127.0.0.1:${port}/get/abc-1`)
    await browser.click('a[href="/docs"]')
    await browser.until('document.querySelectorAll(".opblock").length > 10')
    assert.is(await browser.evaluate('location.pathname'), '/docs')
    assert.equal(browser.complaints, [])
  })

  test('every route is shown, and Execute sends what the form says and shows what came back', async ({ browser, port }) => {
    await browser.open(`http://127.0.0.1:${port}/docs`)
    await browser.until('document.querySelectorAll(".opblock").length > 10')
    const { paths } = JSON.parse((await call(port, '/openapi.json')).text) as { paths: Record<string, object> }
    const operations = Object.values(paths).reduce((sum, methods) => sum + Object.keys(methods).length, 0)
    assert.is(await browser.evaluate('document.querySelectorAll(".opblock").length'), operations)

    assert.equal(await execute(browser, 'pairs-setPairs'), ['200', '{"set":4}'])
    assert.is((await call(port, '/get/xyz-1')).text, '"three"')
    assert.equal(await execute(browser, 'pairs-setPairs', { ttl: '5m', body: '{"ü/ b":[1]}' }), ['200', '{"set":1}'])
    assert.is((await call(port, `/get/${encodeURIComponent('ü/ b')}`)).text, '[1]')
    assert.equal(await execute(browser, 'pairs-getValue', { key: 'ü/ b' }), ['200', '[1]'])
    assert.equal(await execute(browser, 'pairs-search', { prefix: 'abc', suffix: '-2' }), ['200', '["abc-2"]'])
    assert.equal(await execute(browser, 'texts-putText', { key: 'text', body: 'words' }), ['200', 'OK'])
    assert.is((await call(port, '/v1/text')).text, 'words')
    assert.equal(await execute(browser, 'keys-createKey'), ['201', '{"key":"abc-1","value":{"n":1}}'])
    assert.equal(await execute(browser, 'texts-deleteText', { key: 'text' }), ['204', ''])
    assert.is((await call(port, '/v1/text')).status, 404)
    assert.equal(browser.complaints, [])
  })

  test('an error is shown as the server says it', async ({ browser }) => {
    const [status, body] = await execute(browser, 'texts-getText', { key: 'text' })
    assert.equal([status, JSON.parse(body).error.code], ['404', 'key_not_found'])
    assert.is(browser.complaints.length, 1)
    assert.match(browser.complaints[0] as string, 'status of 404')
  })

  test('nothing was asked of anybody else', ({ browser, port }) => {
    const elsewhere = browser.asked.filter((url) => !url.startsWith(`http://127.0.0.1:${port}/`) && !url.startsWith('data:'))
    assert.equal(elsewhere, [])
    assert.ok(browser.asked.length > 10)
  })
}

test.run()
