/**
 * LCS: the longest common subsequence of two values, by the textbook's table of lengths (Hunt and Szymanski's problem, Wagner and Fischer's method).
 *
 * The table has a cell for each pair of bytes and is filled without a pause, so its size is bounded: two values of 1 KiB take some 5 ms. Where several
 * subsequences are longest, the way back through the table decides as Redis does, and so do the ranges of IDX.
 */
import { OPERATION_GET, Operation } from '../../../cache/operation.ts'
import { NO_BYTES } from '../../../lib/bytes.ts'
import type { Arguments } from '../arguments.ts'
import type { CommandRow, SavedOutcome } from '../command.ts'
import { ReplyError, SYNTAX_ERROR } from '../reply-error.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { answeredFailure } from './failure.ts'
import { integerArgument } from './integer-argument.ts'
import { on, TWO_KEYS } from './row.ts'

/** Product of the two lengths. */
const MAX_CELLS = 1024 * 1024

const OPTIONS_AT = 3

interface Options {
  lengthOnly: boolean
  ranges: boolean
  withMatchLength: boolean
  minMatchLength: number
}

/** Bytes `aFirst` to `aLast` of the one are bytes `bFirst` to `bLast` of the other. */
interface Match {
  readonly aFirst: number
  readonly aLast: number
  readonly bFirst: number
  readonly bLast: number
}

function optionsOf(args: Arguments): Options {
  const options: Options = { lengthOnly: false, ranges: false, withMatchLength: false, minMatchLength: 0 }
  for (let i = OPTIONS_AT; i < args.count; i++) {
    if (args.is(i, 'IDX')) options.ranges = true
    else if (args.is(i, 'LEN')) options.lengthOnly = true
    else if (args.is(i, 'WITHMATCHLEN')) options.withMatchLength = true
    else if (args.is(i, 'MINMATCHLEN') && i + 1 < args.count) options.minMatchLength = Number(integerArgument(args, ++i))
    else throw new ReplyError(SYNTAX_ERROR)
  }
  if (options.ranges && options.lengthOnly) {
    throw new ReplyError('ERR If you want both the length and indexes, please just use IDX.')
  }
  return options
}

function answer(reply: ReplyWriter, outcomes: readonly (SavedOutcome | null)[], args: Arguments): void {
  if (answeredFailure(reply, outcomes, OPERATION_GET)) return
  const [a, b] = outcomes.map((outcome) => outcome?.entry?.valueBytes() ?? NO_BYTES) as [Buffer, Buffer]
  const options = optionsOf(args)
  if (a.length * b.length > MAX_CELLS) {
    reply.error(`ERR LCS is limited to values whose lengths have a product of ${MAX_CELLS} or less`)
    return
  }
  const table = lengths(a, b)
  const length = table[table.length - 1] as number
  if (options.lengthOnly) reply.integer(length)
  else if (options.ranges) answerMatches(reply, matches(a, b, table), length, options)
  else reply.bulk(subsequence(a, b, table, length))
}

/** Cell `i * (b.length + 1) + j`: the length for the first `i` bytes of `a` and the first `j` of `b`. */
function lengths(a: Buffer, b: Buffer): Uint16Array | Uint32Array {
  const width = b.length + 1
  const cells = (a.length + 1) * width
  const table = Math.min(a.length, b.length) < 2 ** 16 ? new Uint16Array(cells) : new Uint32Array(cells)
  for (let i = 1; i <= a.length; i++) {
    const byte = a[i - 1]
    const row = i * width
    for (let j = 1; j <= b.length; j++) {
      const above = row + j - width
      if (byte === b[j - 1]) {
        table[row + j] = (table[above - 1] as number) + 1
      } else {
        const up = table[above] as number
        const left = table[row + j - 1] as number
        table[row + j] = up > left ? up : left
      }
    }
  }
  return table
}

/** The way back through the table, from its end: `met` is called for every pair of equal bytes that belongs to the subsequence. */
function walkBack(a: Buffer, b: Buffer, table: ArrayLike<number>, met: (i: number, j: number) => void): void {
  const width = b.length + 1
  let i = a.length
  let j = b.length
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) met(--i, --j)
    else if ((table[(i - 1) * width + j] as number) > (table[i * width + j - 1] as number)) i--
    else j--
  }
}

function subsequence(a: Buffer, b: Buffer, table: ArrayLike<number>, length: number): Buffer {
  const result = Buffer.alloc(length)
  let at = length
  walkBack(a, b, table, (i) => {
    result[--at] = a[i] as number
  })
  return result
}

/** Runs of bytes that are next to each other in both, the last first. */
function matches(a: Buffer, b: Buffer, table: ArrayLike<number>): Match[] {
  const found: Match[] = []
  let run: Match | null = null
  walkBack(a, b, table, (i, j) => {
    if (run !== null && run.aFirst === i + 1 && run.bFirst === j + 1) {
      run = { ...run, aFirst: i, bFirst: j }
      found[found.length - 1] = run
    } else {
      run = { aFirst: i, aLast: i, bFirst: j, bLast: j }
      found.push(run)
    }
  })
  return found
}

function answerMatches(reply: ReplyWriter, found: readonly Match[], length: number, options: Options): void {
  const long = found.filter(({ aFirst, aLast }) => aLast - aFirst + 1 >= options.minMatchLength)
  reply.map(2)
  reply.text('matches')
  reply.array(long.length)
  for (const { aFirst, aLast, bFirst, bLast } of long) {
    reply.array(options.withMatchLength ? 3 : 2)
    reply.array(2)
    reply.integer(aFirst)
    reply.integer(aLast)
    reply.array(2)
    reply.integer(bFirst)
    reply.integer(bLast)
    if (options.withMatchLength) reply.integer(aLast - aFirst + 1)
  }
  reply.text('len')
  reply.integer(length)
}

export const LCS: CommandRow = {
  name: 'LCS',
  arity: -3,
  flags: ['readonly'],
  keys: TWO_KEYS,
  group: 'string',
  summary: 'Answers the longest subsequence that two values have in common, its length, or where it lies.',
  since: '7.0.0',
  complexity: `O(N*M) with the lengths of the values, whose product may be ${MAX_CELLS} at most.`,
  syntax: 'key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]',
  action: {
    kind: 'many',
    atomic: true,
    prepare: (args) => {
      optionsOf(args)
      return [on(new Operation(), OPERATION_GET, args, 1), on(new Operation(), OPERATION_GET, args, 2)]
    },
    answer,
  },
}
