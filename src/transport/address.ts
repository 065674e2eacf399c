/** Addresses: between `host:port`, with an IPv6 host in brackets, and the two halves that sockets want. */
import type { Address } from './transport.ts'

export interface HostAndPort {
  /** Without brackets. */
  readonly host: string
  readonly port: number
}

const MAX_PORT = 65_535

/** Null for what is no address: addresses come from peers too. */
export function parseAddress(address: Address): HostAndPort | null {
  const colon = address.lastIndexOf(':')
  const digits = address.slice(colon + 1)
  if (colon < 1 || !/^\d{1,5}$/.test(digits)) return null
  const port = Number(digits)
  if (port === 0 || port > MAX_PORT) return null
  const bracketed = address.startsWith('[') && address[colon - 1] === ']'
  const host = bracketed ? address.slice(1, colon - 1) : address.slice(0, colon)
  return host === '' || (!bracketed && host.includes(':')) ? null : { host, port }
}

export function formatAddress(host: string, port: number): Address {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
