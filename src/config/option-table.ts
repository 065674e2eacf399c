/**
 * The table of options: all that an operator can set, in one place, as data. Flags, environment variables, help text, and the tests that compare
 * the documentation and the chart's schema are made from it.
 *
 * A row's name gives its flag and variable: `httpPort` is `--http-port` and `JACKDAW_HTTP_PORT`. Rows are filled in from top to bottom, so a
 * default may look at what was given or filled in above it.
 */
import type { SecretKeys } from '../lib/secret-keys.ts'
import type { Machine } from './machine.ts'
import {
  type ChoiceType,
  type IntegerType,
  type KeysType,
  MEMBER_NAME,
  type Seed,
  type SeedsType,
  type SizeType,
  type TextType,
  type ValueType,
} from './value-type.ts'

export type DiscoveryKind = 'none' | 'static' | 'dns' | 'kubernetes'
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface Options {
  readonly name: string
  readonly clusterId: string
  readonly host: string
  readonly advertiseHost: string
  readonly httpPort: number
  readonly respPort: number
  readonly clusterPort: number
  readonly textPort: number
  readonly grpcPort: number
  readonly gossipPort: number
  readonly peerPort: number
  readonly adminPort: number
  readonly gossipKeys: SecretKeys | null
  readonly gossipKeysFile: string | null
  readonly gossipVerify: 'on' | 'off'
  readonly seeds: readonly Seed[]
  readonly discovery: DiscoveryKind
  readonly dnsName: string | null
  readonly kubernetesNamespace: string | null
  readonly kubernetesSelector: string | null
  readonly kubernetesStatefulSet: string | null
  readonly podUid: string | null
  readonly zone: string | null
  readonly replicas: number
  readonly partition: 'serve' | 'refuse'
  readonly maxMemoryBytes: number
  readonly evictionPolicy: 'allkeys-lru' | 'allkeys-lfu' | 'volatile-lru' | 'volatile-lfu' | 'volatile-ttl' | 'noeviction'
  readonly maxKeyBytes: number
  readonly maxValueBytes: number
  readonly maxBodyBytes: number
  readonly maxInputBytes: number
  readonly maxClients: number
  readonly outputBufferLimitBytes: number
  readonly idleTimeoutMs: number
  readonly forwardTimeoutMs: number
  readonly maxStaleMs: number
  readonly drainMs: number
  readonly stopTimeoutMs: number
  readonly logLevel: LogLevel
  readonly debugCommands: 'off' | 'on'
}

type TypeFor<T> = [T] extends [number]
  ? IntegerType | SizeType
  : [T] extends [readonly Seed[]]
    ? SeedsType
    : [T] extends [SecretKeys | null]
      ? KeysType
      : string extends T
        ? TextType
        : ChoiceType<T & string>

/** Given or filled in so far: the rows above. */
export type Filled = Partial<Options>

export type OptionValue = Options[keyof Options]

/** A row, whichever option it is of. */
export interface AnyOptionRow {
  readonly type: ValueType
  /** A value, or where it comes from when nobody gave one. */
  readonly fallback: OptionValue | ((filled: Filled, machine: Machine) => OptionValue)
  /** The default in words, where it is not the plain value. */
  readonly fallbackText?: string
  readonly doc: string
  readonly higher?: string
  readonly lower?: string
}

export interface OptionRow<T extends OptionValue> extends AnyOptionRow {
  readonly type: TypeFor<T>
  readonly fallback: T | ((filled: Filled, machine: Machine) => T)
}

const KIB = 2 ** 10
const MIB = 2 ** 20
const GIB = 2 ** 30

const PORT: IntegerType = { kind: 'integer', unit: 'port', min: 0, max: 65_535 }
const HOST: TextType = { kind: 'text', pattern: /^(?:[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45})$/, rule: 'an IP address or a host name' }
const DNS_NAME: TextType = {
  kind: 'text',
  pattern: /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
  rule: 'a Kubernetes name of 1 to 253 lower-case letters, digits, dots and hyphens',
}

/** Share of the container's memory that entries may take; the rest is for the heap, sockets and copies under way. */
const DEFAULT_MEMORY_SHARE = 0.6

/** Share of `maxMemoryBytes` that requests which are not whole may take besides. */
const DEFAULT_INPUT_SHARE = 1 / 8

export const OPTION_TABLE: { readonly [K in keyof Options]: OptionRow<Options[K]> } = {
  name: {
    type: MEMBER_NAME,
    fallback: (_, machine) => machine.hostname,
    fallbackText: 'the host name',
    doc: 'Name of this member; no two members of a cluster may share one, and a restart keeps it.',
  },
  clusterId: {
    type: {
      kind: 'text',
      pattern: /^[A-Za-z0-9._-]{1,128}$/,
      rule: 'an identifier of 1 to 128 letters, digits, dots, hyphens and underscores',
    },
    fallback: 'jackdaw',
    doc: 'Name of the cluster; packets and streams of another are refused.',
  },
  host: { type: HOST, fallback: '0.0.0.0', doc: 'Address on which all ports listen.' },
  advertiseHost: {
    type: HOST,
    fallback: advertised,
    fallbackText: 'the listen address if it is a single one, else the first IPv4 address that is not internal',
    doc: 'Address under which the other members reach this one.',
  },
  httpPort: { type: PORT, fallback: 8080, doc: 'Port of the HTTP face; 0 takes any free port.' },
  respPort: { type: PORT, fallback: 6379, doc: 'Port of the Redis face (RESP); 0 takes any free port.' },
  clusterPort: {
    type: PORT,
    fallback: 6380,
    doc: 'Port of the Redis face for clients that know of clusters: it sends them to the member that serves a key (MOVED); 0 takes any free port.',
  },
  textPort: { type: PORT, fallback: 31_337, doc: 'Port of the text face, for telnet; 0 takes any free port.' },
  grpcPort: { type: PORT, fallback: 50_051, doc: 'Port of the gRPC face; 0 takes any free port.' },
  gossipPort: { type: PORT, fallback: 7946, doc: 'Port of the gossip, UDP and TCP; 0 takes any free port.' },
  peerPort: { type: PORT, fallback: 7947, doc: 'Port of the streams between members; 0 takes any free port.' },
  adminPort: { type: PORT, fallback: 9090, doc: 'Port of metrics and health; 0 takes any free port.' },
  gossipKeys: {
    type: { kind: 'keys' },
    fallback: null,
    fallbackText: 'none',
    doc:
      'Secret keys of the gossip: the first signs every packet, any of them proves one. To change keys without a stop: add the new one behind the ' +
      'old, at all members put it first, at all members take the old one away. Flags can be seen by others on the machine: use the variable or a file.',
  },
  gossipKeysFile: {
    type: { kind: 'text', pattern: /^[^\0]{1,4096}$/, rule: 'a path of 1 to 4096 characters' },
    fallback: null,
    fallbackText: 'none',
    doc: 'File with these keys, one a line, in place of `gossipKeys`; it is read again every 2 s, so that a mounted secret changes keys without a restart.',
  },
  gossipVerify: {
    type: { kind: 'choice', values: ['on', 'off'] },
    fallback: 'on',
    doc: 'Whether packets without the code of a key are dropped. Off for the time in which a running cluster gets its first key, and only then.',
  },
  seeds: {
    type: { kind: 'seeds', max: 256 },
    fallback: [],
    fallbackText: 'none',
    doc: 'Members to ask at first, this one may be among them: `name=host:gossipPort,...`.',
  },
  discovery: {
    type: { kind: 'choice', values: ['none', 'static', 'dns', 'kubernetes'] },
    fallback: (filled) => (filled.seeds !== undefined && filled.seeds.length > 0 ? 'static' : 'none'),
    fallbackText: 'static if seeds are given, else none',
    doc: 'Where other members are learned from: nowhere, the seeds, a DNS name, or the Kubernetes API.',
  },
  dnsName: {
    type: {
      kind: 'text',
      pattern: /^[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9.])?$/,
      rule: 'a DNS name of 1 to 253 letters, digits, dots, hyphens and underscores',
    },
    fallback: null,
    fallbackText: 'none',
    doc:
      'Name that stands for the addresses of all members, such as that of a headless Service; their port is `gossipPort`. One that begins with an ' +
      'underscore (`_gossip._udp.name`) is asked for SRV records, which name the ports too.',
  },
  kubernetesNamespace: { type: DNS_NAME, fallback: null, fallbackText: 'none', doc: 'Namespace of the pods.' },
  kubernetesSelector: {
    type: {
      kind: 'text',
      pattern: /^[A-Za-z0-9._/!=, ()-]{1,1024}$/,
      rule: 'a label selector of at most 1024 characters, such as app=jackdaw',
    },
    fallback: null,
    fallbackText: 'none',
    doc: 'Label selector of the pods.',
  },
  kubernetesStatefulSet: { type: DNS_NAME, fallback: null, fallbackText: 'none', doc: 'StatefulSet whose ordinals are the members.' },
  podUid: {
    type: { kind: 'text', pattern: /^[A-Za-z0-9-]{1,64}$/, rule: 'a UID of 1 to 64 letters, digits and hyphens' },
    fallback: null,
    fallbackText: 'none',
    doc: "This pod's UID, from the downward API; a fact about another UID never binds this member.",
  },
  zone: {
    type: {
      kind: 'text',
      pattern: /^[A-Za-z0-9._-]{1,63}$/,
      rule: 'a label value of 1 to 63 letters, digits, dots, hyphens and underscores',
    },
    fallback: null,
    fallbackText: 'none',
    doc: 'Zone in which this member runs: the copies of an entry lie in different zones where there are as many. Without one a member counts as alone in its zone.',
  },
  replicas: {
    type: { kind: 'integer', unit: 'count', min: 0, max: 5 },
    fallback: 1,
    doc: 'Copies of every entry beside the one at its primary.',
    higher: 'survives more members lost at once, takes more memory and more traffic for each write',
    lower: '0 keeps one copy only: a member that is lost takes its entries with it',
  },
  partition: {
    type: { kind: 'choice', values: ['serve', 'refuse'] },
    fallback: 'serve',
    doc:
      'What a member does with writes while it sees less than half of the members: accept them, to be merged when the others are back (the later ' +
      'write of a key wins), or refuse them. Reads go on either way.',
  },
  maxMemoryBytes: {
    type: { kind: 'size', min: MIB, max: 1024 * GIB },
    fallback: (_, machine) =>
      machine.memoryLimitBytes === null ? GIB : Math.max(MIB, Math.floor(machine.memoryLimitBytes * DEFAULT_MEMORY_SHARE)),
    fallbackText: '60 % of the container limit, else 1GiB',
    doc: 'Memory for entries, index included.',
    higher: 'more entries stay; too close to the container limit the kernel kills the process',
    lower: 'eviction begins earlier',
  },
  evictionPolicy: {
    type: { kind: 'choice', values: ['allkeys-lru', 'allkeys-lfu', 'volatile-lru', 'volatile-lfu', 'volatile-ttl', 'noeviction'] },
    fallback: 'allkeys-lru',
    doc:
      'What goes when memory is full: of all keys, or of those that expire (volatile), the least recently used (lru), the least frequently used ' +
      '(lfu) or those that expire next (ttl); under noeviction nothing, and writes are refused.',
  },
  maxKeyBytes: {
    type: { kind: 'integer', unit: 'bytes', min: 1, max: 65_535 },
    fallback: 1024,
    doc: 'Longest key.',
    higher: 'longer keys are accepted, and every request line may be longer',
    lower: 'long keys are refused',
  },
  maxValueBytes: {
    type: { kind: 'size', min: 1, max: 32 * MIB },
    fallback: MIB,
    doc: 'Largest value.',
    higher: 'larger values are accepted; each holds the line for longer',
    lower: 'large values are refused',
  },
  maxBodyBytes: {
    type: { kind: 'size', min: KIB, max: 256 * MIB },
    fallback: 16 * MIB,
    doc: 'Largest HTTP request body, and so the most that one request can set.',
    higher: 'larger batches; each takes memory outside maxMemoryBytes and holds the event loop while it is read',
    lower: 'large batches are refused',
  },
  maxInputBytes: {
    type: { kind: 'size', min: MIB, max: 64 * GIB },
    fallback: ({ maxMemoryBytes = GIB, maxBodyBytes = 16 * MIB }) =>
      Math.max(2 * maxBodyBytes, Math.floor(maxMemoryBytes * DEFAULT_INPUT_SHARE)),
    fallbackText: 'an eighth of maxMemoryBytes, and at least twice maxBodyBytes',
    doc: 'What all clients together may have sent of requests that are not whole, are queued by MULTI, or are being executed. Beyond, the largest is refused.',
    higher: 'more large requests may arrive at a time; they take so much memory outside maxMemoryBytes',
    lower: 'large requests that come together are refused earlier',
  },
  maxClients: {
    type: { kind: 'integer', unit: 'count', min: 1, max: 1_000_000 },
    fallback: 10_000,
    doc: 'Connections that each face serves at a time; one more is refused with an error of the face.',
    higher: 'more clients; each takes a file descriptor and some 20 KiB of memory',
    lower: 'a flood of connections is refused earlier',
  },
  outputBufferLimitBytes: {
    type: { kind: 'size', min: 256 * KIB, max: GIB },
    fallback: 32 * MIB,
    doc: 'Answers that one connection may leave unread. Long before, it is read no further; beyond, RESP and text connections are closed. At least twice maxValueBytes and 256 KiB.',
    higher: 'slow readers and slow subscribers survive longer bursts; each may take so much memory outside maxMemoryBytes',
    lower: 'slow readers are closed earlier',
  },
  idleTimeoutMs: {
    type: { kind: 'integer', unit: 'ms', min: 0, max: 86_400_000 },
    fallback: 0,
    doc: 'A connection on which its client has sent nothing and taken nothing for so long is closed; subscribers are not. 0: never, and HTTP after 100 s.',
    higher: 'clients that seldom ask keep their connections',
    lower: 'connections of clients that are gone are closed earlier',
  },
  forwardTimeoutMs: {
    type: { kind: 'integer', unit: 'ms', min: 100, max: 60_000 },
    fallback: 5000,
    doc: 'How long a request may wait for another member, or for one to take over.',
    higher: 'fewer errors while members change; clients wait longer for those that come',
    lower: 'quicker errors',
  },
  maxStaleMs: {
    type: { kind: 'integer', unit: 'ms', min: 0, max: 86_400_000 },
    fallback: 1000,
    doc: 'How old the answers may be that Redis clients get from copies after READONLY. Copies are some 100 to 250 ms old; 0 sends such reads to primaries.',
    higher: 'copies go on answering while their streams stall; what they answer may be so old',
    lower: 'fresher answers; below some 250 ms most are forwarded to primaries',
  },
  drainMs: {
    type: { kind: 'integer', unit: 'ms', min: 0, max: 300_000 },
    fallback: 5000,
    doc: 'How long the listeners keep accepting after SIGTERM.',
    higher: 'load balancers that are slow to learn of the stop lose no request; each pod of a roll takes longer',
    lower: 'quicker stops; connections that are still sent here are refused',
  },
  stopTimeoutMs: {
    type: { kind: 'integer', unit: 'ms', min: 1, max: 3_600_000 },
    fallback: 35_000,
    doc: 'How long the whole stop may take after SIGTERM; must be 6000 or more above drainMs, and below the grace period of the pod.',
    higher: 'large hand-overs get done',
    lower: 'a stop that is stuck ends sooner, and what was not handed over is lost',
  },
  logLevel: {
    type: { kind: 'choice', values: ['debug', 'info', 'warn', 'error', 'silent'] },
    fallback: 'info',
    doc: 'Least severe lines that are written; keys appear at debug only, values never.',
  },
  debugCommands: {
    type: { kind: 'choice', values: ['off', 'on'] },
    fallback: 'off',
    doc: 'Whether the Redis face has DEBUG (SLEEP and its kin), which lets a connection wait and answers what is asked for: for tests of clients.',
  },
}

export const ENVIRONMENT_PREFIX = 'JACKDAW_'

/** Names in the order of the table. */
export const OPTION_NAMES = Object.keys(OPTION_TABLE) as readonly (keyof Options)[]

/** `httpPort` as `--http-port`. */
export function flagOf(name: keyof Options): string {
  return `--${words(name).join('-')}`
}

/** `httpPort` as `JACKDAW_HTTP_PORT`. */
export function envOf(name: keyof Options): string {
  return `${ENVIRONMENT_PREFIX}${words(name).join('_').toUpperCase()}`
}

function words(name: string): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase())
}

function advertised(filled: Filled, machine: Machine): string {
  const { host = '' } = filled
  if (host === 'localhost') return '127.0.0.1'
  if (host !== '0.0.0.0' && host !== '::') return host
  return machine.addresses[0] ?? '127.0.0.1'
}
