/**
 * DNS discovery: the addresses behind one name, such as that of a headless Service with `publishNotReadyAddresses`.
 *
 * A plain name is asked for its addresses, and the port is known; a name that begins with an underscore is asked for SRV records (RFC 2782), whose
 * targets are asked for theirs. An address tells nothing about who is there, so candidates have no names but for this member itself, which
 * knows its own addresses: they are seeds, and membership finds out the rest. Nothing is known of who is meant to exist, and no fact
 * ever comes from here.
 *
 * The last answer that said anything stands: an empty one, an error and silence change nothing. An answer with nobody but this member in it lets it
 * believe that it is alone, and claim what nobody holds; so it has to be given again for some seconds first, as names of pods that start together
 * appear one after the other. Answers are asked for one at a time, often while nobody else is known, and seldom afterwards.
 */
import { type LookupAddress, lookup, resolveSrv } from 'node:dns'
import { networkInterfaces } from 'node:os'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import type { Random } from '../lib/random.ts'
import type { Address } from '../transport/transport.ts'
import type { Candidate, Discovery, DiscoveryEvents } from './discovery.ts'

/** What is asked of DNS. `done` is called once, never from inside the call. */
export interface DnsResolver {
  /** The IP addresses of a name, of both families. */
  addresses(name: string, done: (error: Error | null, hosts: readonly string[]) => void): void
  services(name: string, done: (error: Error | null, services: readonly Service[]) => void): void
}

/** One SRV record. */
export interface Service {
  readonly name: string
  readonly port: number
}

export interface DnsDiscoveryOptions {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly resolver: DnsResolver
  readonly dnsName: string
  /** This member's name. */
  readonly self: string
  /** Where the others reach it, and every further address of this machine: an answer may have any of them. */
  readonly advertiseHost: string
  readonly ownHosts: readonly string[]
  /** Where this member's gossip listens, and, unless SRV records say otherwise, everybody's. */
  readonly gossipPort: number
}

/** Times between two questions, give or take a quarter. */
const ASK_MS = 10_000
const ASK_ALONE_MS = 1_000
const MIN_RETRY_MS = 250
/** Only this member answered for so long, in every answer: it is alone. */
const ALONE_AFTER_MS = 3_000
/** More are cut: whoever is met knows the others. */
const MAX_ADDRESSES = 256

export class DnsDiscovery implements Discovery {
  readonly #options: DnsDiscoveryOptions
  readonly #ownHosts: ReadonlySet<string>
  #events: DiscoveryEvents | null = null
  #timer: Timer | null = null
  #failures = 0
  #told = ''
  /** Since when every answer has had nobody but this member. */
  #aloneSinceMs: number | null = null
  #closed = false

  constructor(options: DnsDiscoveryOptions) {
    this.#options = options
    this.#ownHosts = new Set([options.advertiseHost, ...options.ownHosts])
  }

  start(events: DiscoveryEvents): void {
    this.#events = events
    this.#askIn(0)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #askIn(ms: number): void {
    const jitter = 0.75 + this.#options.random.next() / 2
    this.#timer = this.#options.clock.after(ms * jitter, () => this.#ask())
  }

  #ask(): void {
    const { resolver, dnsName, gossipPort } = this.#options
    if (dnsName.startsWith('_')) {
      resolver.services(dnsName, (error, services) => {
        if (error !== null) this.#failed(error)
        else this.#askTargets(services.slice(0, MAX_ADDRESSES), [])
      })
      return
    }
    resolver.addresses(dnsName, (error, hosts) => {
      if (error !== null) this.#failed(error)
      else this.#answered(hosts.slice(0, MAX_ADDRESSES).map((host) => ({ name: host, port: gossipPort })))
    })
  }

  /** One after the other: a slow server is to hold one thread of the pool, not all. A target without an address is left out. */
  #askTargets(services: readonly Service[], found: readonly Service[]): void {
    const [next, ...rest] = services
    if (next === undefined) {
      this.#answered(found)
      return
    }
    if (this.#closed) return
    this.#options.resolver.addresses(next.name, (_error, hosts) => {
      this.#askTargets(rest, [...found, ...hosts.slice(0, MAX_ADDRESSES).map((host) => ({ name: host, port: next.port }))])
    })
  }

  #failed(error: Error): void {
    if (this.#closed) return
    const { logger, dnsName } = this.#options
    if (this.#failures === 0) logger.warn({ dnsName, error: error.message }, 'DNS does not answer: what it said before stands')
    this.#askIn(Math.min(ASK_MS, MIN_RETRY_MS * 2 ** Math.min(this.#failures++, 10)))
  }

  /** `found` holds IP addresses for names. */
  #answered(found: readonly Service[]): void {
    if (this.#closed) return
    if (found.length === 0) {
      this.#failed(new Error('the answer has no address'))
      return
    }
    this.#failures = 0
    const { clock, gossipPort } = this.#options
    const isOwn = ({ name, port }: Service): boolean => port === gossipPort && this.#ownHosts.has(name)
    const others = [...new Set(found.filter((one) => !isOwn(one)).map(addressOf))].sort().slice(0, MAX_ADDRESSES)
    if (others.length > 0) {
      this.#aloneSinceMs = null
      this.#tell(others)
      this.#askIn(ASK_MS)
      return
    }
    this.#aloneSinceMs ??= clock.now()
    if (clock.now() - this.#aloneSinceMs >= ALONE_AFTER_MS) this.#tell([])
    this.#askIn(ASK_ALONE_MS)
  }

  #tell(others: readonly Address[]): void {
    const id = others.join() || 'alone'
    if (id === this.#told) return
    this.#told = id
    const { logger, self, advertiseHost, gossipPort } = this.#options
    const own = candidate(self, addressOf({ name: advertiseHost, port: gossipPort }))
    const candidates = [own, ...others.map((address) => candidate(null, address))]
    logger.debug({ addresses: others.length }, 'DNS has answered')
    try {
      this.#events?.changed({ candidates, wanted: [self], heard: true })
    } catch (error) {
      logger.error({ err: error }, 'a listener of discovery threw')
    }
  }
}

/** Asks as the machine is set up to: search domains and its own table included, which plain queries leave out. */
export function systemResolver(): DnsResolver {
  return {
    addresses: (name, done) => {
      lookup(name, { all: true }, (error, found: LookupAddress[] | undefined) =>
        done(
          error,
          (found ?? []).map(({ address }) => address),
        ),
      )
    },
    services: (name, done) => {
      resolveSrv(name, (error, found) => done(error, found ?? []))
    },
  }
}

/** Every IP address of this machine. */
export function ownHosts(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address))
}

function candidate(name: string | null, address: Address): Candidate {
  return { name, address, uid: '', knownNotRunning: false, stopping: false }
}

function addressOf({ name, port }: Service): Address {
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`
}
