/** Bytes in JSON: UTF-8 as a string, everything else as `{"$base64": "..."}`. Read back, they are the same bytes. */
import { isUtf8 } from 'node:buffer'

export type JsonBytes = string | { readonly $base64: string }

export function toJsonBytes(bytes: Buffer): JsonBytes {
  return isUtf8(bytes) ? bytes.toString() : { $base64: bytes.toString('base64') }
}

/** Null for what stands for no bytes: another type, half a surrogate pair, Base64 with letters missing or foreign. */
export function fromJsonBytes(value: unknown): Buffer | null {
  if (typeof value === 'string') return value.isWellFormed() ? Buffer.from(value) : null
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 1 || !('$base64' in value)) return null
  const text = value.$base64
  if (typeof text !== 'string') return null
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}
