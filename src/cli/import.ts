/**
 * Import: reads what an export wrote and stores it, over what is there. A malformed line ends it: all lines before it are stored, none behind it.
 */
import type { JackdawClient } from '../client/index.ts'
import { boundedLines } from './bounded-lines.ts'
import { type DumpEntry, readDumpLine } from './dump-line.ts'
import { UsageError } from './exit-code.ts'
import { isUnknownCommand } from './foreign-server.ts'

/** Grows while the import runs, and is right when it fails. */
export interface ImportCounts {
  /** Lines whose entry is stored for certain. */
  imported: number
  /** Of these, JSON values that are there as strings now: the server knows nothing else. */
  asText: number
  /** Bytes of the input up to the last stored line. */
  bytes: number
}

const ENTRIES_AT_A_TIME = 256
const BYTES_AT_A_TIME = 4 * 1024 * 1024
/** 32 MiB in the worst spelling of JSON, six letters a byte. */
const MAX_LINE_BYTES = 200 * 1024 * 1024

/** Entries that are stored together, and so in no order: a key is in it only once. */
class Batch {
  readonly #entries = new Map<string, DumpEntry>()
  #bytes = 0
  #endsAt = 0

  has(key: Buffer): boolean {
    return this.#entries.has(key.toString('latin1'))
  }

  /** True when it should be stored before more is added. */
  add(entry: DumpEntry, endsAt: number): boolean {
    this.#entries.set(entry.key.toString('latin1'), entry)
    this.#bytes += entry.value.length
    this.#endsAt = endsAt
    return this.#entries.size >= ENTRIES_AT_A_TIME || this.#bytes >= BYTES_AT_A_TIME
  }

  /** Throws the first error when all have ended. */
  async store(client: JackdawClient, counts: ImportCounts): Promise<void> {
    const sets = [...this.#entries.values()].map((entry) => storeOne(client, entry, counts))
    const results = await Promise.allSettled(sets)
    const failures = results.filter((result) => result.status === 'rejected')
    counts.imported += sets.length - failures.length
    if (failures[0] !== undefined) throw failures[0].reason
    counts.bytes = this.#endsAt
  }
}

/** `onBatch` is called after each batch. Throws `UsageError` with the line's number for a malformed line, and the client's errors. */
export async function importLines(
  client: JackdawClient,
  input: AsyncIterable<unknown>,
  counts: ImportCounts,
  onBatch: () => void,
): Promise<void> {
  let batch = new Batch()
  const store = async (): Promise<void> => {
    const full = batch
    batch = new Batch()
    await full.store(client, counts)
    onBatch()
  }
  try {
    for await (const { text, number, endsAt } of boundedLines(input, MAX_LINE_BYTES)) {
      if (text.trim() === '') continue
      const entry = readDumpLine(text)
      if (typeof entry === 'string') throw new UsageError(`line ${number}: ${entry}`)
      if (batch.has(entry.key)) await store()
      if (batch.add(entry, endsAt)) await store()
    }
  } catch (error) {
    if (error instanceof UsageError) await store()
    throw error
  }
  await store()
}

async function storeOne(client: JackdawClient, { key, value, json, ttlMs }: DumpEntry, counts: ImportCounts): Promise<void> {
  const options = { ttlMs: ttlMs ?? undefined }
  try {
    await client.set(key, value, { ...options, json })
  } catch (error) {
    if (!json || !isUnknownCommand(error)) throw error
    await client.set(key, value, options)
    counts.asText++
  }
}
