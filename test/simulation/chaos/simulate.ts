/**
 * `npm run simulate`: many seeds, on all processors, for a night or for a hunt.
 *
 *     npm run simulate -- --seeds 10000 [--from 1]      runs them, prints those that fail, and how to replay them
 *     npm run simulate -- --seed 148 [--trace]          one seed, with the members' logs and all that was done on virtual time
 *     npm run simulate -- --mutant NAME [--seeds 1000]  hunts for the first seed that finds a mutant (mutants.ts)
 *
 * `--slots N` runs with another number of slots than 256 (16384 is the product's own). Ends with 1 if a seed failed, or a mutant was not found.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Outcome } from './chaos.ts'
import { MUTANTS } from './mutants.ts'
import { INVARIANTS, OPEN } from './verdict.ts'

const SEEDS = fileURLToPath(new URL('./seeds.ts', import.meta.url))
const PROGRESS_EVERY = 500

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    mutant: { type: 'string' },
    slots: { type: 'string' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

/** Which seeds failed, and which broke what is known to be open. */
class Tally {
  through = 0
  readonly failed: number[] = []
  readonly open = new Map<string, number[]>()
  virtualMs = 0

  take(outcome: Outcome): void {
    this.through++
    this.virtualMs += outcome.virtualMs
    if (outcome.failed) {
      this.failed.push(outcome.seed)
      if (values.mutant === undefined) tell(outcome)
      return
    }
    for (const name of new Set(outcome.violations.map(({ invariant }) => invariant))) {
      this.open.set(name, [...(this.open.get(name) ?? []), outcome.seed])
    }
  }
}

function tell({ seed, plan, story, trace }: Outcome): void {
  console.log(`\n${plan}\n${story.slice(0, 10).join('\n')}`)
  if (story.length > 10) console.log(`and ${story.length - 10} more`)
  console.log(`trace ${trace}; replay: npm run simulate -- --seed ${seed} --trace`)
}

/** Runs every `step`th seed in a process of its own. */
function runSome(from: number, to: number, step: number, tally: Tally, children: Set<ChildProcess>): Promise<void> {
  const passed = [
    values.mutant === undefined ? [] : ['--mutant', values.mutant, '--stop'],
    values.slots === undefined ? [] : ['--slots', values.slots],
  ]
  const child = spawn(process.execPath, [SEEDS, String(from), String(to), String(step), ...passed.flat()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.add(child)
  createInterface({ input: child.stdout }).on('line', (line) => {
    tally.take(JSON.parse(line) as Outcome)
    if (tally.through % PROGRESS_EVERY === 0) console.log(`${tally.through} seeds, ${tally.failed.length} failed`)
    // One find is enough.
    if (values.mutant !== undefined && tally.failed.length > 0) for (const other of children) other.kill()
  })
  return new Promise((resolve, reject) => {
    child.on('close', (status, signal) => {
      children.delete(child)
      if (status === 0 || signal !== null) resolve()
      else reject(new Error(`a run of seeds from ${from} ended with ${status}`))
    })
  })
}

async function runAll(from: number, count: number): Promise<void> {
  const tally = new Tally()
  const children = new Set<ChildProcess>()
  const startedAt = performance.now()
  const processes = Math.min(count, availableParallelism())
  await Promise.all(Array.from({ length: processes }, (_, i) => runSome(from + i, from + count - 1, processes, tally, children)))
  const seconds = (performance.now() - startedAt) / 1000
  for (const [name, seeds] of tally.open) console.log(`known: ${seeds.length} seeds broke "${name}", ${seeds.slice(0, 10).join(', ')}`)
  console.log(
    `${tally.through} seeds, ${(tally.virtualMs / 3_600_000).toFixed(1)} h of virtual time in ${seconds.toFixed(0)} s: ${tally.failed.length} failed`,
  )
  if (tally.failed.length > 0) console.log(`failed: ${tally.failed.sort((a, b) => a - b).join(', ')}`)
  const found = tally.failed.length > 0
  if (values.mutant !== undefined) console.log(found ? `${values.mutant} is found by seed ${tally.failed[0]}` : `${values.mutant} survived`)
  if (found === (values.mutant === undefined)) process.exitCode = 1
}

function help(): void {
  console.log('npm run simulate -- [--seeds N] [--from K] [--seed S] [--mutant NAME] [--slots N] [--trace]\n\nInvariants:')
  for (const [name, meaning] of Object.entries(INVARIANTS)) {
    console.log(`  ${name}: ${meaning}${OPEN[name as keyof typeof INVARIANTS] === undefined ? '' : ' (known to be open)'}`)
  }
  console.log('\nMutants:')
  for (const [name, { consequence, seed }] of Object.entries(MUTANTS)) console.log(`  ${name}: ${consequence} (seed ${seed})`)
}

if (values.help) help()
else if (values.trace && values.seed !== undefined) {
  const mutant = values.mutant === undefined ? [] : ['--mutant', values.mutant]
  const slots = values.slots === undefined ? [] : ['--slots', values.slots]
  spawn(process.execPath, [SEEDS, values.seed, values.seed, '1', '--trace', ...mutant, ...slots], { stdio: 'inherit' })
} else if (values.seed !== undefined) await runAll(Number(values.seed), 1)
else await runAll(Number(values.from), Number(values.seeds ?? (values.mutant === undefined ? 200 : 1000)))
