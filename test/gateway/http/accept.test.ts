import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { preferred } from '../../../src/gateway/http/accept.ts'

const test = suite('accept')
const OFFERS = ['application/json', 'text/plain', 'text/html'] as const

test('the form that a client likes best is chosen', () => {
  const cases: [header: string | undefined, choice: string, why: string][] = [
    [undefined, 'application/json', 'nothing said'],
    ['', 'application/json', 'nothing said'],
    ['*/*', 'application/json', 'anything'],
    ['application/json', 'application/json', 'named'],
    ['text/plain', 'text/plain', 'named'],
    ['TEXT/Plain; charset=utf-8', 'text/plain', 'case and parameters do not matter'],
    ['text/*', 'text/plain', 'first of the family'],
    ['text/html, */*', 'text/html', 'named before any'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text/html', 'a browser'],
    ['application/json, text/plain, */*', 'application/json', 'both named: order of the offers'],
    ['text/plain;q=0.5, application/json;q=0.4', 'text/plain', 'higher quality'],
    ['text/plain;q=0, */*', 'application/json', 'refused by name'],
    ['application/json;q=0, text/*;q=0.1', 'text/plain', 'the rest of a refusal'],
    ['text/*;q=0.9, text/plain;q=0.2', 'text/html', 'the exact range counts for its own form'],
    ['image/png', 'application/json', 'none offered'],
    ['text/plain;q=x, text/plain;q=7', 'application/json', 'nonsense'],
  ]
  for (const [header, choice, why] of cases) assert.is(preferred(header, OFFERS), choice, why)
})

test.run()
