/**
 * Options: from flags, environment and defaults to one frozen object, or one sentence about what is wrong.
 *
 * A flag wins over a variable, a variable over the default. An empty variable counts as not set, because manifests leave such behind; an empty
 * flag is an error. Flags that do not exist are refused; variables that do not exist are not, since Kubernetes injects some of its own under our
 * prefix when a Service is called `jackdaw`. First everything is filled in, then contradictions are refused.
 */
import { parseArgs } from 'node:util'
import { ConfigError } from './config-error.ts'
import type { Machine } from './machine.ts'
import {
  type AnyOptionRow,
  envOf,
  type Filled,
  flagOf,
  OPTION_NAMES,
  OPTION_TABLE,
  type Options,
  type OptionValue,
} from './option-table.ts'
import { describe, formatSize, parseValue } from './value-type.ts'

/** What stands around a value in a JSON body. */
const BODY_MARGIN_BYTES = 64
/** What stands around a value in an answer, and what a socket takes at a time: or one large answer would cut off an ordinary reader. */
const OUTPUT_MARGIN_BYTES = 256 * 1024

export type Environment = Readonly<Record<string, string | undefined>>

/** From the end of draining to the end of the stop: hand-over gives up 5 s before it, and the last requests and the farewell need some of those. */
const LEAST_STOP_MS = 6000

/** One value may take at most this share of all memory, so that eviction always has something else to give. */
const MAX_VALUE_SHARE = 1 / 4

/** `argv` without the program's own name. Throws `ConfigError` for whatever cannot be used. */
export function readOptions(argv: readonly string[], env: Environment, machine: Machine): Options {
  const flags = readFlags(argv)
  const filled: Record<string, unknown> = {}
  for (const name of OPTION_NAMES) {
    const row: AnyOptionRow = OPTION_TABLE[name]
    const flag = flags.get(name)
    const variable = env[envOf(name)]
    if (flag !== undefined) filled[name] = parseValue(row.type, flagOf(name), flag)
    else if (variable !== undefined && variable !== '') filled[name] = parseValue(row.type, envOf(name), variable)
    else filled[name] = fallbackOf(name, row, filled as Filled, machine)
  }
  const options = Object.freeze(filled as unknown as Options)
  refuseContradictions(options, machine)
  return options
}

/** The table of options for a terminal. */
export function helpText(): string {
  const lines = [
    'Usage: jackdaw [--option value]...',
    '',
    'Every option can also be given as an environment variable; a flag wins over it.',
    '',
  ]
  for (const name of OPTION_NAMES) {
    const row: AnyOptionRow = OPTION_TABLE[name]
    lines.push(`${flagOf(name)}, ${envOf(name)}`, `    ${row.doc}`, `    Takes ${describe(row.type)}. Default: ${defaultText(row)}.`)
    if (row.higher !== undefined) lines.push(`    Higher: ${row.higher}.`)
    if (row.lower !== undefined) lines.push(`    Lower: ${row.lower}.`)
    lines.push('')
  }
  return lines.join('\n')
}

/** What the machine calls itself goes through the same door as what an operator types. */
function fallbackOf(name: keyof Options, row: AnyOptionRow, filled: Filled, machine: Machine): OptionValue {
  if (typeof row.fallback !== 'function') return row.fallback
  const value = row.fallback(filled, machine)
  if (row.type.kind === 'text') parseValue(row.type, `the default of ${flagOf(name)}`, String(value))
  return value
}

export function defaultText(row: AnyOptionRow): string {
  if (row.fallbackText !== undefined) return row.fallbackText
  return row.type.kind === 'size' ? formatSize(Number(row.fallback)) : String(row.fallback)
}

function readFlags(argv: readonly string[]): ReadonlyMap<string, string> {
  const nameByFlag = new Map(OPTION_NAMES.map((name) => [flagOf(name), name]))
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(OPTION_NAMES.map((name) => [flagOf(name).slice(2), { type: 'string' as const }])),
    strict: false,
    tokens: true,
  })
  const flags = new Map<string, string>()
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue
    if (token.kind === 'positional') throw new ConfigError(`${JSON.stringify(token.value)} is not an option; --help lists those there are`)
    const name = nameByFlag.get(token.rawName)
    if (name === undefined) throw new ConfigError(`there is no option ${token.rawName}; --help lists those there are`)
    if (token.value === undefined) throw new ConfigError(`${token.rawName} needs a value: ${describe(OPTION_TABLE[name].type)}`)
    if (flags.has(name)) throw new ConfigError(`${token.rawName} is given twice`)
    flags.set(name, token.value)
  }
  return flags
}

function refuseContradictions(options: Options, machine: Machine): void {
  refuseDiscovery(options, machine)
  refuseEqualPorts(options)
  refuseKeys(options)
  const { maxValueBytes, maxBodyBytes, maxInputBytes, maxMemoryBytes, outputBufferLimitBytes, drainMs, stopTimeoutMs } = options
  if (machine.memoryLimitBytes !== null && maxMemoryBytes > machine.memoryLimitBytes) {
    throw new ConfigError(`maxMemoryBytes is ${maxMemoryBytes}, but the container may use ${machine.memoryLimitBytes} bytes in all`)
  }
  if (Math.ceil(maxValueBytes / 3) * 4 + BODY_MARGIN_BYTES > maxBodyBytes) {
    throw new ConfigError(
      `maxBodyBytes is ${maxBodyBytes}, but a value of maxValueBytes, which is ${maxValueBytes}, must fit into it as base64`,
    )
  }
  if (maxInputBytes < 2 * maxBodyBytes) {
    throw new ConfigError(`maxInputBytes is ${maxInputBytes}, but must hold two requests of maxBodyBytes, which is ${maxBodyBytes}`)
  }
  if (2 * maxValueBytes + OUTPUT_MARGIN_BYTES > outputBufferLimitBytes) {
    throw new ConfigError(
      `outputBufferLimitBytes is ${outputBufferLimitBytes}, but must be at least ${2 * maxValueBytes + OUTPUT_MARGIN_BYTES}: twice maxValueBytes, which is ${maxValueBytes}, and ${OUTPUT_MARGIN_BYTES}`,
    )
  }
  if (maxValueBytes > maxMemoryBytes * MAX_VALUE_SHARE) {
    throw new ConfigError(
      `maxValueBytes is ${maxValueBytes}, but must not be above a quarter of maxMemoryBytes, which is ${maxMemoryBytes}`,
    )
  }
  if (stopTimeoutMs < drainMs + LEAST_STOP_MS) {
    throw new ConfigError(`stopTimeoutMs is ${stopTimeoutMs}, but must be ${LEAST_STOP_MS} or more above drainMs, which is ${drainMs}`)
  }
}

function refuseDiscovery(options: Options, machine: Machine): void {
  const { discovery, dnsName, seeds, host, advertiseHost } = options
  if (discovery === 'static' && seeds.length === 0) throw new ConfigError('discovery is "static", but seeds is empty: give at least one')
  if (discovery !== 'static' && seeds.length > 0) {
    throw new ConfigError(`discovery is "${discovery}", but seeds has ${seeds.length}: seeds are for discovery "static"`)
  }
  if (discovery === 'dns' && dnsName === null) throw new ConfigError('discovery is "dns", but dnsName is not given')
  if (discovery !== 'dns' && dnsName !== null) {
    throw new ConfigError(`discovery is "${discovery}", but dnsName is given: it is for discovery "dns"`)
  }
  if (discovery === 'kubernetes') {
    for (const name of ['kubernetesNamespace', 'kubernetesSelector', 'kubernetesStatefulSet'] as const) {
      if (options[name] === null) throw new ConfigError(`discovery is "kubernetes", but ${name} is not given`)
    }
  }
  if (advertiseHost === '0.0.0.0' || advertiseHost === '::') {
    throw new ConfigError(`advertiseHost is "${advertiseHost}", but must be an address that other members can reach`)
  }
  const listensEverywhere = host === '0.0.0.0' || host === '::'
  if (discovery === 'kubernetes' && listensEverywhere && advertiseHost === '127.0.0.1' && machine.addresses.length === 0) {
    throw new ConfigError('advertiseHost is not given, and this machine has no IPv4 address that others could reach')
  }
}

function refuseKeys({ gossipKeys, gossipKeysFile, gossipVerify }: Options): void {
  if (gossipKeys !== null && gossipKeysFile !== null)
    throw new ConfigError('gossipKeys and gossipKeysFile are both given: give one of them')
  if (gossipVerify === 'off' && gossipKeys === null && gossipKeysFile === null) {
    throw new ConfigError('gossipVerify is "off", but there are neither gossipKeys nor gossipKeysFile')
  }
}

function refuseEqualPorts(options: Options): void {
  const taken = new Map<number, string>()
  for (const name of ['httpPort', 'respPort', 'clusterPort', 'textPort', 'grpcPort', 'gossipPort', 'peerPort', 'adminPort'] as const) {
    const port = options[name]
    if (port === 0) continue
    const other = taken.get(port)
    if (other !== undefined) throw new ConfigError(`${other} and ${name} are both ${port}, but each needs a port of its own`)
    taken.set(port, name)
  }
}
