/**
 * Each mutant (chaos/mutants.ts) is found by the seed that is pinned for it: the simulator would notice if the product lost that rule. Each runs in a process
 * of its own, because a rewrite holds for all that a process loads.
 */
// deadline: 240 s
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Outcome } from './chaos/chaos.ts'
import { MUTANTS } from './chaos/mutants.ts'
import { rewrite } from './chaos/rewrites.ts'

const test = suite('simulation: mutants')

const SEEDS = fileURLToPath(new URL('./chaos/seeds.ts', import.meta.url))

for (const [name, { consequence, seed }] of Object.entries(MUTANTS)) {
  test(`seed ${seed} finds ${name}: ${consequence}`, () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [SEEDS, String(seed), String(seed), '1', '--mutant', name], {
      encoding: 'utf8',
    })
    assert.is(status, 0, stderr)
    const outcome = JSON.parse(stdout) as Outcome
    assert.ok(outcome.failed, `${name} survives seed ${seed}: npm run simulate -- --mutant ${name} finds another`)
  })
}

test('a rewrite whose snippet is not there, or there twice, is refused', () => {
  for (const find of ['no such thing', 'const'])
    assert.throws(() => rewrite([{ file: 'node.ts', find, replace: '' }]), 'a rewrite looks for one')
})

test.run()
