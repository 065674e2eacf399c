/**
 * `npm test`: runs every test file under `test/`, each in a process of its own. The scenarios of `test/e2e` are none: they need a cluster and have a
 * command of their own.
 *
 * uvu alone ends with success when a file forgets `.run()`, a `before` hook throws, `.only` is left in, a test rejects with `undefined` or no file
 * matches, and never ends while a handle is open. So nothing counts as passed here unless the file calls `.run()` on each of its suites, prints
 * exactly one summary with Total > 0, Passed = Total and Skipped = 0, and exits by itself with status 0 before its deadline: 60 s, or what a
 * line `// deadline: 120 s` in the file says, and at most 5 s after the summary. What a killed file started dies with it: its whole process group
 * is killed.
 *
 * `npm test -- ring` runs the files whose path contains `ring`. The last line is `N passed, N failed`; a file that breaks down counts as one
 * failure. Two files run at a time.
 */
import { spawn } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Outcome {
  readonly passed: number
  readonly failed: number
  /** What is wrong with the run as a whole; `null` when nothing is. */
  readonly complaint: string | null
  readonly output: string
}

export interface Deadlines {
  readonly fileMs: number
  /** From the summary to the exit. */
  readonly exitMs: number
}

interface Summary {
  readonly total: number
  readonly passed: number
  readonly skipped: number
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const AT_A_TIME = 2
const DEADLINES: Deadlines = { fileMs: 60_000, exitMs: 5_000 }
const SUMMARY = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)\n/gm

/** Process groups under way, to be ended with this process. */
const groups = new Set<number>()

/** Runs one test file. Never rejects. */
export async function runFile(path: string, deadlines: Deadlines): Promise<Outcome> {
  const source = readFileSync(path, 'utf8')
  const missingRun = complaintAboutSource(source)
  if (missingRun !== null) return { passed: 0, failed: 1, complaint: missingRun, output: '' }
  const own = /^\/\/ deadline: (\d+) s$/m.exec(source)?.[1]
  const { output, ending } = await runProcess(path, own === undefined ? deadlines : { ...deadlines, fileMs: Number(own) * 1000 })
  return judge(output, ending)
}

/** Only a source that calls `.run()` as often as it makes suites can have run them all. */
function complaintAboutSource(source: string): string | null {
  const code = source.replace(/^\s*(?:\/\/|\/?\*).*$/gm, '')
  const suites = code.match(/\bsuite\s*(?:<[^>]*>)?\(/g)?.length ?? 0
  const runs = code.match(/\.run\(\)/g)?.length ?? 0
  return runs < Math.max(1, suites) ? `${Math.max(1, suites)} suite(s), but .run() is called ${runs} time(s)` : null
}

/** `ending` is what was wrong with the way the process ended; `null` for an exit by itself with status 0. */
function judge(output: string, ending: string | null): Outcome {
  const summaries = [...output.matchAll(SUMMARY)].map((match): Summary => {
    return { total: Number(match[1]), passed: Number(match[2]), skipped: Number(match[3]) }
  })
  const summary = summaries[0]
  if (summary === undefined) return { passed: 0, failed: 1, complaint: `no summary: ${ending ?? 'nothing ran'}`, output }
  const { total, passed, skipped } = summary
  const complaints: string[] = []
  if (summaries.length > 1) complaints.push(`${summaries.length} summaries: the suites did not run as one`)
  if (total === 0) complaints.push('no test ran')
  if (passed !== total) complaints.push(`${total - passed} of ${total} did not pass`)
  if (skipped !== 0) complaints.push(`${skipped} skipped, by .skip or by an .only elsewhere`)
  if (ending !== null) complaints.push(ending)
  if (complaints.length === 0) return { passed, failed: 0, complaint: null, output }
  return { passed, failed: Math.max(1, total - passed), complaint: complaints.join('; '), output }
}

function runProcess(path: string, deadlines: Deadlines): Promise<{ output: string; ending: string | null }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [path], {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const group = child.pid
    if (group !== undefined) groups.add(group)
    let output = ''
    let overdue: string | null = null
    let summed = false
    const expire = (why: string) => {
      overdue = why
      killGroup(group)
    }
    let deadline = setTimeout(() => expire(`not done after ${deadlines.fileMs} ms`), deadlines.fileMs)
    const take = (chunk: string) => {
      output += chunk
      if (summed || output.search(SUMMARY) === -1) return
      summed = true
      clearTimeout(deadline)
      deadline = setTimeout(() => expire(`still alive ${deadlines.exitMs} ms after its summary: something is left open`), deadlines.exitMs)
    }
    child.stdout.setEncoding('utf8').on('data', take)
    child.stderr.setEncoding('utf8').on('data', take)
    child.on('error', (error) => {
      output += `${error.message}\n`
    })
    // What the file started may outlive it and hold the pipes: with the file itself gone, its group has to go.
    child.on('exit', () => killGroup(group))
    child.on('close', (status, signal) => {
      clearTimeout(deadline)
      if (group !== undefined) groups.delete(group)
      resolve({ output, ending: overdue ?? (status === 0 ? null : `exit ${signal ?? status}`) })
    })
  })
}

function killGroup(group: number | undefined): void {
  if (group === undefined) return
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // Nobody is left in it.
  }
}

async function runAll(files: readonly string[]): Promise<{ passed: number; failed: number }> {
  const sum = { passed: 0, failed: 0 }
  const queue = [...files]
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const startedAt = performance.now()
      const outcome = await runFile(file, DEADLINES)
      report(relative(ROOT, file), outcome, performance.now() - startedAt)
      sum.passed += outcome.passed
      sum.failed += outcome.failed
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))
  return sum
}

function report(name: string, outcome: Outcome, ms: number): void {
  const took = `${Math.round(ms)} ms`
  if (outcome.complaint === null) console.log(`ok    ${name}  ${outcome.passed} tests, ${took}`)
  else console.log(`FAIL  ${name}  ${outcome.complaint}; ${took}\n${outcome.output}`)
}

async function main(filter: string): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      for (const group of groups) killGroup(group)
      process.exit(1)
    })
  }
  const files = globSync('test/**/*.test.ts', { cwd: ROOT })
    .filter((file) => file.includes(filter))
    .sort()
    .map((file) => `${ROOT}/${file}`)
  if (files.length === 0) console.log(`no test file has ${JSON.stringify(filter)} in its path`)
  const { passed, failed } = files.length === 0 ? { passed: 0, failed: 1 } : await runAll(files)
  console.log(`${passed} passed, ${failed} failed`)
  if (failed > 0) process.exitCode = 1
}

if (import.meta.main) await main(process.argv[2] ?? '')
