/**
 * Runs a range of seeds in this process and prints one line of JSON for each that is through. `simulate.ts` starts it: rewrites hold for a whole process, so
 * each mutant needs one of its own.
 *
 *     node test/simulation/chaos/seeds.ts FROM TO STEP [--mutant NAME] [--slots N] [--trace] [--stop]
 */
import { parseArgs } from 'node:util'
import { MUTANTS } from './mutants.ts'
import { FEW_SLOTS, fewerSlots, rewrite } from './rewrites.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    mutant: { type: 'string' },
    slots: { type: 'string', default: String(FEW_SLOTS) },
    trace: { type: 'boolean', default: false },
    stop: { type: 'boolean', default: false },
  },
})
const [from = 1, to = 1, step = 1] = positionals.map(Number)
const slots = Number(values.slots)
const mutant = values.mutant === undefined ? undefined : MUTANTS[values.mutant]
if (values.mutant !== undefined && mutant === undefined)
  throw new Error(`no mutant ${values.mutant}; there are ${Object.keys(MUTANTS).join(', ')}`)
rewrite([...(slots === 16_384 ? [] : [fewerSlots(slots)]), ...(mutant?.rewrites ?? [])])
const { chaos } = await import('./chaos.ts')

for (let seed = from; seed <= to; seed += step) {
  const outcome = chaos(seed, { print: values.trace })
  console.log(JSON.stringify(outcome))
  if (values.stop && outcome.failed) break
}
