/**
 * The door of discovery: the interface, and the sources that need no platform.
 *
 * `kubernetes.ts` is left out on purpose: it brings the Kubernetes client with it, which costs tens of megabytes and a tenth of a second at
 * start. Who wants it imports it when the configuration asks for it: `await import('./discovery/kubernetes.ts')`.
 */
export type { Candidate, Discovery, DiscoveryEvents, DiscoverySnapshot } from './discovery.ts'
export { DnsDiscovery, type DnsDiscoveryOptions, type DnsResolver, ownHosts, type Service, systemResolver } from './dns.ts'
export { type Seed, StaticDiscovery, type StaticDiscoveryOptions } from './static.ts'
