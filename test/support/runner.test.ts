// deadline: 120 s
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Outcome, runFile } from './runner.ts'

const test = suite('runner')

const runner = fileURLToPath(new URL('./runner.ts', import.meta.url))
const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}.fixture.ts`, import.meta.url))
const run = (name: string): Promise<Outcome> => runFile(fixture(name), { fileMs: name === 'hang' ? 1_500 : 30_000, exitMs: 500 })

test('a file whose tests pass passes', async () => {
  const { passed, failed, complaint } = await run('passes')
  assert.equal({ passed, failed, complaint }, { passed: 2, failed: 0, complaint: null })
})

const failing = [
  ['a failing test', 'fails', 1, 1, /1 of 2 did not pass/],
  ['a forgotten run', 'forgotten-run', 0, 1, /\.run\(\) is called 0 time/],
  ['a second suite that is not run', 'one-of-two-runs', 0, 1, /2 suite\(s\), but \.run\(\) is called 1 time/],
  ['a before hook that throws', 'throwing-before-hook', 0, 1, /1 of 1 did not pass/],
  ['an after hook that throws', 'throwing-after-hook', 0, 1, /no summary/],
  ['an .only left in', 'only', 1, 1, /1 skipped/],
  ['a .skip left in', 'skip', 1, 1, /1 skipped/],
  ['a file without tests', 'empty', 0, 1, /no test ran/],
  ['a test that hangs', 'hang', 0, 1, /no summary: not done after 1500 ms/],
  ['a handle left open', 'open-handle', 1, 1, /something is left open/],
  ['a promise that never settles', 'never-settles', 0, 1, /no summary: exit/],
  ['a rejection with undefined', 'rejects-with-undefined', 1, 1, /1 of 2 did not pass/],
  ['an early exit', 'exits-early', 0, 1, /no summary/],
  ['an assertion after the summary', 'fails-after-the-summary', 1, 1, /exit 1/],
  ['a file that breaks on import', 'breaks-on-import', 0, 1, /no summary: exit 1/],
] as const

for (const [what, name, passed, failed, complaint] of failing) {
  test(`${what} is a failure`, async () => {
    const outcome = await run(name)
    assert.match(outcome.complaint ?? 'no complaint', complaint)
    assert.equal([outcome.passed, outcome.failed], [passed, failed])
  })
}

test('what a file started ends with it', async () => {
  const { output, complaint } = await run('leaves-a-child')
  const pid = /child (\d+)/.exec(output)?.[1]
  assert.ok(pid !== undefined && complaint === null, complaint ?? output)
  const state = existsSync(`/proc/${pid}/stat`) ? execFileSync('cat', [`/proc/${pid}/stat`], { encoding: 'utf8' }) : 'gone'
  assert.match(state, /gone|\) Z /)
})

test('a filter that matches nothing is a failure', () => {
  try {
    execFileSync(process.execPath, [runner, 'no file is called this'], { encoding: 'utf8' })
    assert.unreachable('it ended with success')
  } catch (error) {
    assert.match(String((error as { stdout?: string }).stdout), /no test file has .*\n0 passed, 1 failed\n$/)
  }
})

test.run()
