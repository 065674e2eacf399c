/**
 * Request guard: what is refused whatever the route. A request of HTTP/1.1 that names no host, one that expects what is not known here, and one by
 * which a page of another origin would change something.
 *
 * A browser sends simple requests to any address without asking, with a body of text or a form as well, so a page on the internet could write into
 * a cache that only its reader can reach. Browsers tell where such a request comes from: `Sec-Fetch-Site`, and `Origin`, whose host must be the one
 * that was asked. Other clients send neither. Reading needs no guard: without CORS headers no page sees the answer.
 */
import type { IncomingMessage } from 'node:http'
import { CacheError } from '../../lib/errors.ts'

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
/** As Node has it. */
const CONTINUE = /(?:^|\W)100-continue(?:$|\W)/i

/** `null`: it may go on. */
export function refusalOf({ method = 'GET', httpVersion, headers }: IncomingMessage): CacheError | null {
  const { host, origin, expect } = headers
  if (httpVersion === '1.1' && host === undefined) return new CacheError('REQUEST_INVALID', 'a request of HTTP/1.1 names its host')
  if (httpVersion === '1.1' && expect !== undefined && !CONTINUE.test(expect)) {
    return new CacheError('REQUEST_INVALID', 'nothing but 100-continue can be expected')
  }
  if (SAFE_METHODS.has(method)) return null
  if (headers['sec-fetch-site'] !== 'cross-site' && (origin === undefined || isOf(origin, host ?? ''))) return null
  return new CacheError('FORBIDDEN', 'a page of another origin may not change anything')
}

/** Whether an origin has this host; the port that its scheme implies may be left out. `null`, as sandboxed pages send it, has none. */
function isOf(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false
  const { protocol, host: own } = new URL(origin)
  const asked = `${protocol}//${host}`
  return own !== '' && URL.canParse(asked) && new URL(asked).host === own
}
