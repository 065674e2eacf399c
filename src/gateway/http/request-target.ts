/**
 * Request target: the path and query of a request line, read to the byte.
 *
 * Keys are compared as bytes, so they are decoded here and not by a router, and once only: `%2F` is a slash inside a key, `%252F` three
 * characters of it. Node's parser lets through ASCII alone, so what is not percent-encoded is one byte a character. What does not decode to valid
 * UTF-8 is refused.
 */
import { type Bytes, NO_BYTES } from '../../lib/bytes.ts'
import { CacheError } from '../../lib/errors.ts'

/** Proxies send `http://host/path` (RFC 9112, 3.2.2); everybody else the path. */
const ORIGIN = /^https?:\/\/[^/?]*/i

/** The path with its query, whichever form the target has. */
export function localTarget(url: string): string {
  return url.startsWith('/') ? url : url.replace(ORIGIN, '')
}

/** The path alone, still encoded. */
export function pathOf(target: string): string {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

/** What stands before the parameter in a path as it is documented: `/get/` of `/get/{key}`. */
export function prefixOf(documented: string): string {
  return documented.slice(0, documented.indexOf('{'))
}

/** The key that follows `prefix` in the path: 1 to `maxKeyBytes` bytes of UTF-8, slashes among them. */
export function keyOf(target: string, prefix: string, maxKeyBytes: number): Buffer {
  const path = pathOf(target)
  // The router decodes before it compares: it takes `/ge%74/x` for `/get/x`.
  if (!path.startsWith(prefix)) throw new CacheError('ROUTE_NOT_FOUND', `there is no such path: write ${prefix} as it is`)
  const encoded = path.slice(prefix.length)
  const key = encoded.includes('%') ? decodeKey(encoded) : Buffer.from(encoded, 'latin1')
  if (key.length === 0) throw new CacheError('KEY_INVALID', 'the key is empty')
  if (key.length > maxKeyBytes) {
    throw new CacheError('KEY_INVALID', `the key has ${key.length} bytes, over maxKeyBytes (${maxKeyBytes})`)
  }
  return key
}

function decodeKey(encoded: string): Buffer {
  try {
    return Buffer.from(decodeURIComponent(encoded))
  } catch (cause) {
    throw new CacheError('KEY_INVALID', 'the key is not percent-encoded UTF-8', { cause })
  }
}

/** The parameters of a query, decoded as forms encode them: `+` is a space. Names that nobody asks for are ignored. */
export class Query {
  readonly #parameters = new Map<string, string>()

  constructor(target: string) {
    const question = target.indexOf('?')
    if (question === -1 || question === target.length - 1) return
    for (const pair of target.slice(question + 1).split('&')) {
      const equals = pair.indexOf('=')
      const name = decodeParameter(equals === -1 ? pair : pair.slice(0, equals))
      if (this.#parameters.has(name)) throw new CacheError('QUERY_INVALID', `the parameter ${JSON.stringify(name)} is given twice`)
      this.#parameters.set(name, equals === -1 ? '' : decodeParameter(pair.slice(equals + 1)))
    }
  }

  text(name: string): string | null {
    return this.#parameters.get(name) ?? null
  }

  /** Empty where the parameter is not given. */
  bytes(name: string): Bytes {
    const text = this.#parameters.get(name)
    return text === undefined ? NO_BYTES : Buffer.from(text)
  }
}

function decodeParameter(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '))
  } catch (cause) {
    throw new CacheError('QUERY_INVALID', 'the query is not percent-encoded UTF-8', { cause })
  }
}
