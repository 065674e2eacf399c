/**
 * Value types: how the text of an option becomes a value, and what is refused.
 *
 * A type is data, so that the table of options, its help text and the tests that compare it with the documentation all read the same bounds.
 * Sizes may carry a unit; all units count in 1024 (`64MiB`, `64Mi` and `64mb` are the same number), as Redis reads its own.
 */
import { MAX_KEY_BYTES, MAX_KEYS, MIN_KEY_BYTES, SecretKeys } from '../lib/secret-keys.ts'
import { ConfigError } from './config-error.ts'

/** A member known beforehand. */
export interface Seed {
  readonly name: string
  /** `host:port` of its gossip; an IPv6 host stands in brackets. */
  readonly address: string
}

export interface IntegerType {
  readonly kind: 'integer'
  readonly unit: 'port' | 'ms' | 'count' | 'bytes'
  readonly min: number
  readonly max: number
}

/** A whole number of bytes, with or without a unit. */
export interface SizeType {
  readonly kind: 'size'
  readonly min: number
  readonly max: number
}

export interface TextType {
  readonly kind: 'text'
  readonly pattern: RegExp
  /** The pattern in words, to follow "must be". */
  readonly rule: string
}

export interface ChoiceType<T extends string> {
  readonly kind: 'choice'
  readonly values: readonly T[]
}

export interface SeedsType {
  readonly kind: 'seeds'
  readonly max: number
}

/** Keys that sign. What was given is never shown, in no message either. */
export interface KeysType {
  readonly kind: 'keys'
}

export type ValueType = IntegerType | SizeType | TextType | ChoiceType<string> | SeedsType | KeysType

/** Member names travel in fields of 255 bytes; 253 is what DNS allows a host name. */
export const MEMBER_NAME: TextType = {
  kind: 'text',
  pattern: /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/,
  rule: 'a name of 1 to 253 letters, digits, dots, hyphens and underscores that begins and ends with a letter or digit',
}

const SIZE = /^(\d{1,16})(?:\.(\d{1,6}))?\s*([a-z]*)$/i
const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['kb', 2 ** 10],
  ['ki', 2 ** 10],
  ['kib', 2 ** 10],
  ['mb', 2 ** 20],
  ['mi', 2 ** 20],
  ['mib', 2 ** 20],
  ['gb', 2 ** 30],
  ['gi', 2 ** 30],
  ['gib', 2 ** 30],
])
const SEED = /^([^=]+)=(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/

/** The value that `text` stands for. `source` is how the operator named it (`--http-port`); throws `ConfigError`. */
export function parseValue(type: ValueType, source: string, text: string): unknown {
  switch (type.kind) {
    case 'integer':
      if (/^-?\d{1,16}$/.test(text)) return inRange(type, source, text, Number(text))
      break
    case 'size': {
      const bytes = sizeOf(text)
      if (bytes !== null) return inRange(type, source, text, bytes)
      break
    }
    case 'text':
      if (type.pattern.test(text)) return text
      break
    case 'choice':
      if (type.values.includes(text)) return text
      break
    case 'seeds':
      return parseSeeds(type, source, text)
    case 'keys':
      return parseKeys(type, source, text)
  }
  throw new ConfigError(`${source} is ${quote(text)}, but must be ${describe(type)}`)
}

/** What a type accepts, to follow "must be". */
export function describe(type: ValueType): string {
  switch (type.kind) {
    case 'integer':
      return `a whole number from ${type.min} to ${type.max}${type.unit === 'ms' ? ' (ms)' : ''}`
    case 'size':
      return `a size from ${formatSize(type.min)} to ${formatSize(type.max)}, in bytes or with a unit such as KiB, MiB, GiB, kb, mb, gb`
    case 'text':
      return type.rule
    case 'choice':
      return `one of ${type.values.join(', ')}`
    case 'seeds':
      return `a comma-separated list of at most ${type.max} entries \`name=host:gossipPort\``
    case 'keys':
      return `a comma-separated list of at most ${MAX_KEYS} keys of ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} bytes in base64`
  }
}

/** `67108864` as `64MiB`; a number that is no whole multiple of a unit stays as it is. */
export function formatSize(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`
  }
  return String(bytes)
}

function sizeOf(text: string): number | null {
  const match = SIZE.exec(text)
  if (match === null) return null
  const [, whole = '', fraction, unit = ''] = match
  const size = SIZE_UNITS.get(unit.toLowerCase())
  if (size === undefined || (fraction !== undefined && size === 1)) return null
  return Math.floor(Number(`${whole}.${fraction ?? 0}`) * size)
}

function inRange(type: IntegerType | SizeType, source: string, text: string, value: number): number {
  if (value >= type.min && value <= type.max) return value
  throw new ConfigError(`${source} is ${quote(text)}, but must be ${describe(type)}`)
}

function parseSeeds(type: SeedsType, source: string, text: string): readonly Seed[] {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.length > type.max) throw new ConfigError(`${source} has ${parts.length} entries, but must be ${describe(type)}`)
  const names = new Set<string>()
  return parts.map((part) => {
    const [, name, host, port] = SEED.exec(part) ?? []
    if (name === undefined || !MEMBER_NAME.pattern.test(name) || Number(port) < 1 || Number(port) > 65_535) {
      throw new ConfigError(`${source} has the entry ${quote(part)}, but must be ${describe(type)}`)
    }
    if (names.has(name)) throw new ConfigError(`${source} names the member ${quote(name)} twice`)
    names.add(name)
    return { name, address: `${host}:${port}` }
  })
}

function parseKeys(type: KeysType, source: string, text: string): SecretKeys {
  try {
    return SecretKeys.parse(text.split(',').map((part) => part.trim()))
  } catch (error) {
    throw new ConfigError(`${source} must be ${describe(type)}, but ${(error as Error).message}`)
  }
}

/** What the operator gave, short enough for a log line and with nothing in it that could break one. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text)
}
