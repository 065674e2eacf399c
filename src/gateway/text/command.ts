/**
 * Command: one line, taken apart where it stands.
 *
 * `NAME`, `NAME key` or `NAME key value`: spaces and tabs stand before the name and before the key, just one of them between key and value, and the
 * value is all that follows, spaces included. Names have no case.
 */
import { unescapeInPlace } from './escape.ts'

/** The shape of each command: what follows its name. */
const SHAPES = { GET: 'key', SET: 'pair', DELETE: 'key', KEYS: 'none', FLUSH: 'none', PING: 'none', EXIT: 'none' } as const

type Known = keyof typeof SHAPES

/** As it is counted and measured; `other` for a line that is no command. */
export type CommandName = Lowercase<Known> | 'other'

export const COMMAND_NAMES: readonly CommandName[] = ['get', 'set', 'delete', 'keys', 'flush', 'ping', 'exit', 'other']

const ROWS = (Object.keys(SHAPES) as Known[]).map((word) => ({
  name: word.toLowerCase() as Lowercase<Known>,
  word: Buffer.from(word),
  shape: SHAPES[word],
  usage: usageOf(word),
}))

type Row = (typeof ROWS)[number]

const UNKNOWN = 'Unknown command: there are GET, SET, DELETE, KEYS, FLUSH, PING and EXIT'
const SPACE = 0x20
const TAB = 0x09
/** In ASCII, the bit that makes a letter small. */
const CASE_BIT = 0x20

/** Reused: `parse` fills it anew for each line. */
export class Command {
  name: CommandName = 'other'
  /** A sentence, when the line is no command; the rest then means nothing. */
  problem: string | null = null
  keyStart = 0
  keyEnd = 0
  valueStart = 0
  valueEnd = 0

  /** The line's key and value are unescaped in place. */
  parse(bytes: Buffer, start: number, end: number): void {
    const from = skipBlanks(bytes, start, end)
    const to = skipWord(bytes, from, end)
    const row = find(bytes, from, to)
    if (row === undefined) {
      this.name = 'other'
      this.problem = from === to ? 'The line is empty' : UNKNOWN
      return
    }
    this.name = row.name
    this.problem = this.#arguments(row, bytes, skipBlanks(bytes, to, end), end) ? null : row.usage
  }

  #arguments({ shape }: Row, bytes: Buffer, at: number, end: number): boolean {
    if (shape === 'none') return at === end
    const keyEnd = skipWord(bytes, at, end)
    if (keyEnd === at) return false
    this.keyStart = at
    this.keyEnd = unescapeInPlace(bytes, at, keyEnd)
    if (shape === 'key') return skipBlanks(bytes, keyEnd, end) === end
    if (keyEnd === end) return false
    this.valueStart = keyEnd + 1
    this.valueEnd = unescapeInPlace(bytes, keyEnd + 1, end)
    return true
  }
}

function find(bytes: Buffer, start: number, end: number): Row | undefined {
  for (const row of ROWS) if (equalWithoutCase(bytes, start, end, row.word)) return row
  return undefined
}

function equalWithoutCase(bytes: Buffer, start: number, end: number, word: Buffer): boolean {
  if (end - start !== word.length) return false
  for (let i = 0; i < word.length; i++) if (((bytes[start + i] as number) & ~CASE_BIT) !== word[i]) return false
  return true
}

function skipBlanks(bytes: Buffer, at: number, end: number): number {
  while (at < end && isBlank(bytes[at] as number)) at++
  return at
}

function skipWord(bytes: Buffer, at: number, end: number): number {
  while (at < end && !isBlank(bytes[at] as number)) at++
  return at
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB
}

function usageOf(word: Known): string {
  const shape = SHAPES[word]
  if (shape === 'none') return `${word} stands alone on its line`
  return shape === 'key' ? `${word} takes one key, which has no white space` : `${word} takes a key, one space and a value`
}
