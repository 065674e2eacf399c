/**
 * Request guard: what is refused whatever the route. A request that two readers could take for two different ones, one that expects what is not
 * known here, and one by which a page of another origin would change something.
 *
 * Node's parser refuses most of what smugglers send: lengths given twice or beside `Transfer-Encoding`, bare line feeds, folded lines. What it lets
 * pass is refused here: a version that is neither 1.0 nor 1.1, no `Host`, two of them or one that is none (RFC 9112, 3.2), a transfer encoding other than
 * `chunked`, which would be stored still encoded, and one in HTTP/1.0, which does not know it (6.1).
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

/** The host and port of RFC 3986; the host may be empty. */
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?$/

export function isHost(value: string): boolean {
  return HOST.test(value)
}

/** `null`: it may go on. */
export function refusalOf(request: IncomingMessage): CacheError | null {
  const { method = 'GET', httpVersion, headers } = request
  const { host, origin, expect } = headers
  const ambiguity = ambiguityOf(request)
  if (ambiguity !== null) return new CacheError('REQUEST_INVALID', ambiguity)
  if (httpVersion === '1.1' && expect !== undefined && !CONTINUE.test(expect)) {
    return new CacheError('REQUEST_INVALID', 'nothing but 100-continue can be expected')
  }
  if (SAFE_METHODS.has(method)) return null
  if (headers['sec-fetch-site'] !== 'cross-site' && (origin === undefined || isOf(origin, host ?? ''))) return null
  return new CacheError('FORBIDDEN', 'a page of another origin may not change anything')
}

function ambiguityOf({ httpVersion, headers, rawHeaders }: IncomingMessage): string | null {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'the version is neither HTTP/1.1 nor HTTP/1.0'
  const { host, 'transfer-encoding': encoding } = headers
  if (host === undefined) {
    if (httpVersion === '1.1') return 'a request of HTTP/1.1 names its host'
  } else if (countOf('host', rawHeaders) > 1) {
    return 'a request names its host once'
  } else if (!isHost(host)) {
    return 'Host is not a host with or without a port'
  }
  if (encoding === undefined) return null
  if (httpVersion === '1.0') return 'HTTP/1.0 has no Transfer-Encoding'
  return encoding.toLowerCase() === 'chunked' ? null : 'the only Transfer-Encoding that is taken is chunked'
}

/** Names and values in turn. Node's own list of distinct headers would be built whole for it. */
function countOf(name: string, rawHeaders: readonly string[]): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const candidate = rawHeaders[i] as string
    if (candidate.length === name.length && candidate.toLowerCase() === name) count++
  }
  return count
}

/** Whether an origin has this host; the port that its scheme implies may be left out. `null`, as sandboxed pages send it, has none. */
function isOf(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false
  const { protocol, host: own } = new URL(origin)
  const asked = `${protocol}//${host}`
  return own !== '' && URL.canParse(asked) && new URL(asked).host === own
}
