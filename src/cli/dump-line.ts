/**
 * Dumps: one entry a line, `{"key": ..., "value": ..., "ttlMs": ...}`, without `ttlMs` for what does not expire. Keys and values that are not UTF-8 are
 * `{"$base64": ...}`. Times to live are what was left at the export and begin again at the import.
 *
 * A value that was stored as JSON has `"kind": "json"` beside it, and is its text all the same: digits that a JavaScript number would round come back
 * whole. Without a kind it is a string.
 */
import { fromJsonBytes, toJsonBytes } from './json-bytes.ts'

export interface DumpEntry {
  readonly key: Buffer
  readonly value: Buffer
  /** Stored as JSON; else as a string. */
  readonly json: boolean
  /** Null: it does not expire. */
  readonly ttlMs: number | null
}

const FIELDS = new Set(['key', 'value', 'kind', 'ttlMs'])

/** With its line end. */
export function writeDumpLine({ key, value, json, ttlMs }: DumpEntry): string {
  const line = { key: toJsonBytes(key), value: toJsonBytes(value), ...(json ? { kind: 'json' } : {}), ...(ttlMs === null ? {} : { ttlMs }) }
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
  const { key, value, kind = 'string', ttlMs = null } = parsed as Readonly<Record<string, unknown>>
  const unknown = Object.keys(parsed).find((field) => !FIELDS.has(field))
  if (unknown !== undefined) return `there is no field "${unknown}" in a dump`
  const [keyBytes, valueBytes] = [fromJsonBytes(key), fromJsonBytes(value)]
  if (keyBytes === null || keyBytes.length === 0) return '"key" must be a string, or {"$base64": ...}, and not empty'
  if (valueBytes === null) return '"value" must be a string, or {"$base64": ...}'
  if (kind !== 'string' && kind !== 'json') return '"kind" must be "string" or "json"'
  if (ttlMs !== null && !(Number.isSafeInteger(ttlMs) && (ttlMs as number) >= 1)) return '"ttlMs" must be a whole number from 1'
  return { key: keyBytes, value: valueBytes, json: kind === 'json', ttlMs: ttlMs as number | null }
}
