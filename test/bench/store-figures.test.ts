import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseTable } from '../../bench/store-figures.ts'

const test = suite('bench/store figures')

const PRINTED = `10,000,000 entries, Node v26.0.0, medians of 1
|                                             | store | Map |
|---|---|---|
| get, k/s                                    | 745.0 | 595.1 |
| page by prefix, ms                          | 0.8 | - |
`

test('the table that the store prints is taken over', () => {
  assert.equal(parseTable(PRINTED), [
    ['', 'store', 'Map'],
    ['get, k/s', '745.0', '595.1'],
    ['page by prefix, ms', '0.8', '-'],
  ])
})

test('an output without a whole table is an error', () => {
  assert.throws(() => parseTable('out of memory'), /no table/)
  assert.throws(() => parseTable('|  | store |\n|---|---|\n'), /no table/)
  assert.throws(() => parseTable(`${PRINTED}| cut |\n`), /no table/)
})

test.run()
