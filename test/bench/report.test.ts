import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decimals, ratioText, sectionText, thousands, withReport } from '../../bench/report.ts'

const test = suite('bench/report')

const PAGE = 'before\n\n<!-- bench: begin -->\nold\n<!-- bench: end -->\n\nafter\n'

test('what stands between the markers is replaced, and nothing else', () => {
  assert.is(withReport(PAGE, 'bench', 'new'), 'before\n\n<!-- bench: begin -->\n\nnew\n\n<!-- bench: end -->\n\nafter\n')
})

test('a page has several parts, and each is written by itself', () => {
  const page = `${PAGE}<!-- bench cluster: begin -->\n<!-- bench cluster: end -->\n`
  assert.is(withReport(page, 'bench cluster', 'new'), `${PAGE}<!-- bench cluster: begin -->\n\nnew\n\n<!-- bench cluster: end -->\n`)
})

test('writing the same report twice changes nothing the second time', () => {
  const once = withReport(PAGE, 'bench', 'new $& $1')
  assert.is(withReport(once, 'bench', 'new $& $1'), once)
})

test('a page without both markers in order is refused', () => {
  for (const page of [
    '',
    'x <!-- bench: begin --> y',
    `<!-- bench: begin -->${PAGE}`,
    `${PAGE}<!-- bench: end -->`,
    '<!-- bench: end --> <!-- bench: begin -->',
  ])
    assert.throws(() => withReport(page, 'bench', 'new'), /each once/)
})

test('a section is a heading, a sentence, a table and its notes', () => {
  const section = { title: 'T', text: 'How.', head: ['', 'a'], rows: [['r', '1']], notes: ['Left out: x.'] }
  assert.is(sectionText(section), '### T\n\nHow.\n\n|  | a |\n|---|---|\n| r | 1 |\n\nLeft out: x.')
})

test('figures are printed with the digits that mean something', () => {
  assert.is(thousands(84_237), '84.2 k')
  assert.is(thousands(743_123), '743 k')
  assert.is(decimals(10.456, 2), '10.46')
  assert.is(ratioText({ median: 1.044, least: 0.98, most: 1.1 }), '1.04 (0.98-1.10)')
})

test('what was not measured is a dash', () => {
  assert.equal([thousands(null), decimals(null, 1), ratioText(null)], ['-', '-', '-'])
})

test.run()
