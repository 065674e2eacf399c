/** The table of errors: every row is one a face can answer with. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CacheError, ERRORS, type ErrorCode, publicCode } from '../../src/lib/errors.ts'

const test = suite('errors')

const CODES = Object.keys(ERRORS) as ErrorCode[]

test('every row has a status of an error on every face and a meaning in a sentence', () => {
  for (const code of CODES) {
    const { http, resp, grpc, meaning } = ERRORS[code]
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/)
    assert.ok(Number.isInteger(http) && http >= 400 && http < 600, code)
    assert.match(resp, /^[A-Z]+$/, code)
    assert.ok(Number.isInteger(grpc) && grpc > 0 && grpc <= 16, code)
    assert.match(meaning, /^[A-Z].*\.$/, code)
  }
})

test('what is the fault of the request has changed nothing, and only a server error may have', () => {
  for (const code of CODES) {
    const { http, touched } = ERRORS[code]
    if (http < 500) assert.is(touched, 'no', code)
  }
  assert.equal(
    CODES.filter((code) => ERRORS[code].touched === 'maybe'),
    ['OUTCOME_UNKNOWN', 'INTERNAL'],
  )
})

test('what may be tried again says so on every face', () => {
  for (const code of ['TRY_AGAIN', 'BUSY'] as const) {
    const { http, resp, grpc } = ERRORS[code]
    assert.equal({ http, resp, grpc }, { http: 503, resp: 'TRYAGAIN', grpc: 14 }, code)
  }
})

test('what may have been executed has no word that stock clients repeat it for', () => {
  for (const code of CODES) {
    const { resp, grpc, touched } = ERRORS[code]
    if (touched !== 'no') assert.ok(resp !== 'TRYAGAIN' && grpc !== 14, code)
  }
})

test('public codes are lower case and tell the rows apart', () => {
  assert.is(publicCode('KEY_NOT_FOUND'), 'key_not_found')
  assert.is(new Set(CODES.map(publicCode)).size, CODES.length)
})

test('an error carries its code, its row and its cause', () => {
  const cause = new Error('the link broke')
  const error = new CacheError('OUTCOME_UNKNOWN', 'lost', { cause })
  assert.instance(error, Error)
  assert.is(error.name, 'CacheError')
  assert.is(error.code, 'OUTCOME_UNKNOWN')
  assert.is(error.row, ERRORS.OUTCOME_UNKNOWN)
  assert.is(error.message, 'lost')
  assert.is(error.cause, cause)
})

test.run()
