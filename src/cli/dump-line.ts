/**
 * Dumps: one entry a line, `{"key": ..., "value": ..., "ttlMs": ...}`, without `ttlMs` for what does not expire. Keys and values that are not UTF-8 are
 * `{"$base64": ...}`. Times to live are what was left at the export and begin again at the import.
 *
 * Values are bytes here: whether one was stored as a string or as a JSON value is not in a dump, a JSON value comes back as its text.
 */
import { fromJsonBytes, toJsonBytes } from './json-bytes.ts'

export interface DumpEntry {
  readonly key: Buffer
  readonly value: Buffer
  /** Null: it does not expire. */
  readonly ttlMs: number | null
}

const FIELDS = new Set(['key', 'value', 'ttlMs'])

/** With its line end. */
export function writeDumpLine({ key, value, ttlMs }: DumpEntry): string {
  const line = { key: toJsonBytes(key), value: toJsonBytes(value), ...(ttlMs === null ? {} : { ttlMs }) }
  return `${JSON.stringify(line)}\n`
}

/** The entry, or what is wrong with the line, in words that do not repeat it. */
export function readDumpLine(line: string): DumpEntry | string {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    return 'not JSON'
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return 'not a JSON object'
  const { key, value, ttlMs = null } = parsed as Readonly<Record<string, unknown>>
  const unknown = Object.keys(parsed).find((field) => !FIELDS.has(field))
  if (unknown !== undefined) return `there is no field "${unknown}" in a dump`
  const [keyBytes, valueBytes] = [fromJsonBytes(key), fromJsonBytes(value)]
  if (keyBytes === null || keyBytes.length === 0) return '"key" must be a string, or {"$base64": ...}, and not empty'
  if (valueBytes === null) return '"value" must be a string, or {"$base64": ...}'
  if (ttlMs !== null && !(Number.isSafeInteger(ttlMs) && (ttlMs as number) >= 1)) return '"ttlMs" must be a whole number from 1'
  return { key: keyBytes, value: valueBytes, ttlMs: ttlMs as number | null }
}
