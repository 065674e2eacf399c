/** Addresses: `host:port`, or a host alone for the usual port; an IPv6 host stands in brackets. */
import { isIPv6 } from 'node:net'

export interface Address {
  /** Without brackets. */
  readonly host: string
  readonly port: number
  /** As messages name it. */
  readonly text: string
}

const DEFAULT_PORT = 6379
const MAX_PORT = 65_535
const ADDRESS = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/i

/** Throws `RangeError` for what is no address. */
export function parseAddress(text: string): Address {
  const match = ADDRESS.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3] ?? DEFAULT_PORT)
  const bracketed = match?.[1] !== undefined
  if (host === undefined || (bracketed && !isIPv6(host)) || port < 1 || port > MAX_PORT)
    throw new RangeError(`\`${text}\` is no address; it must be host:port`)
  return { host, port, text: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}` }
}
