/**
 * The store with ten million entries beside a JavaScript Map: runs `bench/store.ts` on the core of servers, and takes over the table it prints.
 */
import { runProgram } from './children.ts'
import { SERVER_CORE } from './machine.ts'
import type { Section } from './report.ts'
import type { Plan } from './rounds.ts'

const PROGRAM = new URL('store.ts', import.meta.url).pathname
/** A Map ends at 2^24 entries. */
const ENTRIES = 10_000_000
const QUICK_ENTRIES = 200_000
/** A round takes minutes, and its figures differ little. */
const MOST_ROUNDS = 3
const ROUND_LIMIT_MS = 20 * 60_000
/** The Map's strings and Buffers are on the JavaScript heap, and need more of it than Node gives by itself. */
const HEAP_MIB = 12_288

export async function measureStore(plan: Plan): Promise<Section> {
  const entries = plan.quick ? QUICK_ENTRIES : ENTRIES
  const rounds = Math.min(plan.rounds, MOST_ROUNDS)
  console.error(`store: rounds: ${rounds}, each takes minutes`)
  const args = ['--cpu-list', String(SERVER_CORE), process.execPath, PROGRAM, '--entries', String(entries), '--rounds', String(rounds)]
  const printed = await runProgram('taskset', args, rounds * ROUND_LIMIT_MS, {
    env: { ...process.env, NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}` },
  })
  const [head, ...rows] = parseTable(printed)
  return {
    title: 'The store alone: pauses and search',
    text:
      `\`node bench/store.ts --entries ${entries} --rounds ${rounds}\`: no sockets, medians of ${rounds}; the head of the file says what each row is. ` +
      'The goals: a pause under churn of at most 5 ms at p99.9 and 20 ms at worst, and a first page of 100 within 5 ms.',
    head,
    rows,
    notes: [],
  }
}

/** The cells of the only Markdown table in a text: its head, then its rows. Throws where there is none, or a row of another width. */
export function parseTable(text: string): [string[], ...string[][]] {
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[-|\s]+\|$/.test(line))
    .map((line) =>
      line
        .trim()
        .replace(/^\||\|$/g, '')
        .split('|')
        .map((cell) => cell.trim()),
    )
  const [head, ...body] = rows
  if (head === undefined || body.length === 0 || body.some((row) => row.length !== head.length))
    throw new Error(`no table was found in: ${text.trim()}`)
  return [head, ...body]
}
