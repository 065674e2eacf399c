/**
 * Export: walks all keys and writes one line each. Not a snapshot: keys that are written meanwhile may be in it or not, and one may come twice
 * while members change; importing it twice is harmless.
 */
import { createWriteStream } from 'node:fs'
import { rename } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type JackdawClient, ServerError } from '../client/index.ts'
import { type DumpEntry, writeDumpLine } from './dump-line.ts'
import { lookUp } from './foreign-server.ts'

export interface ExportCounts {
  exported: number
  /** Gone between the walk and the reading. */
  gone: number
  /** Of a type that is no plain value. */
  skipped: number
}

/** Keys that are read at a time; with values of 1 MiB that is what the memory has to hold. */
const KEYS_AT_A_TIME = 64

/** Yields the lines; `counts` grows with them. */
export async function* dumpLines(client: JackdawClient, counts: ExportCounts): AsyncGenerator<string, void, undefined> {
  let keys: Buffer[] = []
  for await (const key of client.keysBytes()) {
    keys.push(key)
    if (keys.length < KEYS_AT_A_TIME) continue
    yield await dumpSome(client, keys, counts)
    keys = []
  }
  yield await dumpSome(client, keys, counts)
}

/** Writes the file under another name first, so that a file by this name is always whole. */
export async function writeWhole(path: string, lines: AsyncIterable<string>): Promise<void> {
  const partial = `${path}.partial`
  await pipeline(Readable.from(lines), createWriteStream(partial))
  await rename(partial, path)
}

async function dumpSome(client: JackdawClient, keys: readonly Buffer[], counts: ExportCounts): Promise<string> {
  const entries = await Promise.all(keys.map((key) => readEntry(client, key)))
  let lines = ''
  for (const entry of entries) {
    if (entry === 'gone') counts.gone++
    else if (entry === 'skipped') counts.skipped++
    else {
      counts.exported++
      lines += writeDumpLine(entry)
    }
  }
  return lines
}

async function readEntry(client: JackdawClient, key: Buffer): Promise<DumpEntry | 'gone' | 'skipped'> {
  try {
    const entry = await lookUp(client, key)
    if (entry === null) return 'gone'
    const { value, json, ttlMs } = entry
    // An entry in its last millisecond has nothing left to count from.
    return { key, value, json, ttlMs: ttlMs === Infinity ? null : Math.max(1, ttlMs) }
  } catch (error) {
    if (error instanceof ServerError && error.replyCode === 'WRONGTYPE') return 'skipped'
    throw error
  }
}
