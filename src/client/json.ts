/** JSON values as the client stores them: their text. */
import { NotJsonError } from './errors.ts'

/** Throws `TypeError` for what JSON cannot say: `undefined`, functions, cycles, bigint. */
export function toJson(value: unknown): string {
  const text: string | undefined = JSON.stringify(value)
  if (text === undefined) throw new TypeError(`JSON has no word for ${typeof value}`)
  return text
}

/** Throws `NotJsonError`, which names the key and never the value. */
export function parseJson<T>(key: string | Uint8Array, value: Buffer): T {
  try {
    return JSON.parse(value.toString()) as T
  } catch {
    throw new NotJsonError(Buffer.from(key).toString())
  }
}
