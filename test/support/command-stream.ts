/**
 * CommandStream: random commands as clients might send them, good ones and bad ones, on so few keys that they meet.
 *
 * What a reply may differ in comes with each command. Time is kept out of the rest: expiries are a quarter of an hour away or gone, and no two are
 * within a quarter of an hour of each other, so that the moment at which a command is executed decides nothing.
 */
import { type Random, randomBelow } from '../../src/lib/random.ts'
import type { Argument } from './raw-resp.ts'

/** How the reply may differ between two servers: not at all; by some seconds or milliseconds; in the order of keys; EXEC's, each as its own. */
export type Likeness = 'equal' | 'seconds' | 'milliseconds' | 'keys' | 'scan' | 'exec'

export interface StreamedCommand {
  readonly args: readonly Argument[]
  readonly likeness: Likeness
  /** Of EXEC: the likenesses of what was queued. */
  readonly queued: readonly Likeness[]
}

const KEYS: readonly string[] = [
  'a',
  'b',
  'c',
  'd',
  'k:1',
  'k:2',
  'key:10',
  '{t}x',
  '{t}y',
  'with space',
  'bin\x00\xff\r\n',
  'x'.repeat(200),
]

const VALUES: readonly string[] = [
  ...['', '0', '1', '-1', '5', '10', '42', '007', '-0', '+7', ' 12', '12 ', '9223372036854775807', '-9223372036854775808'],
  ...[
    '9223372036854775808',
    '123456789012345678',
    '3.0',
    '0.1',
    '-2.5',
    '1e3',
    '1.5e300',
    '.5',
    '5.',
    'inf',
    'nan',
    '3.14159265358979323846',
  ],
  ...[
    'hello',
    'hello world',
    'Hello, World!',
    'abc',
    'abcabcabc',
    'ohmytext',
    'mynewtext',
    '\x00',
    '\xff\xfe\x00\r\n',
    '{"a":1}',
    '"text"',
    'true',
  ],
]

const INTEGERS: readonly string[] = [
  ...['0', '1', '-1', '2', '-2', '3', '5', '7', '10', '-10', '100', '-100', '299', '2147483647', '-2147483648', '4294967296'],
  ...[
    '9007199254740993',
    '9223372036854775807',
    '-9223372036854775808',
    '9223372036854775808',
    '01',
    '+1',
    ' 1',
    '1.0',
    '',
    'x',
    '1e2',
    '-',
  ],
]

const FLOATS: readonly string[] = [
  '0',
  '1',
  '-1',
  '0.1',
  '-0.1',
  '1.5',
  '3.0e3',
  '1e-5',
  '1e17',
  '-1e20',
  '.5',
  '5.',
  'inf',
  '-inf',
  'nan',
  'x',
  '',
  ' 1',
  '1 ',
  '1e400',
  '5e5000',
  '0.00000000000000001',
]

const PATTERNS: readonly string[] = [
  '*',
  'a',
  'k*',
  'k:?',
  '*:1',
  '*:1*',
  '[a-c]',
  '[^a-c]',
  '[abc',
  'k\\:1',
  '\\a',
  '?',
  '??',
  '',
  '{t}*',
  '*{t}',
  '*\xff*',
  'key:1[0-9]',
  '[c-a]',
  'with*',
  'a*b*',
  '[]',
  'k:[12]',
  '**',
  'x*x',
]

/** In seconds. Further apart than a run lasts. */
const EXPIRY_STEP = 900
const FIRST_EXPIRY = 1_000_000
/** A prime, and a number to step through all below it. */
const EXPIRIES = 100_003
const EXPIRY_STRIDE = 39_019

type Kind = readonly [weight: number, likeness: Likeness, make: (stream: CommandStream) => Argument[]]

const KINDS: readonly Kind[] = [
  [10, 'equal', (s) => ['GET', s.key()]],
  [8, 'equal', (s) => ['SET', s.key(), s.value()]],
  [8, 'equal', (s) => ['SET', s.key(), s.value(), ...s.setOptions()]],
  [2, 'equal', (s) => ['SETNX', s.key(), s.value()]],
  [1, 'equal', (s) => ['SETEX', s.key(), s.seconds(), s.value()]],
  [1, 'equal', (s) => ['PSETEX', s.key(), s.milliseconds(), s.value()]],
  [2, 'equal', (s) => ['GETSET', s.key(), s.value()]],
  [2, 'equal', (s) => ['GETDEL', s.key()]],
  [4, 'equal', (s) => ['GETEX', s.key(), ...s.getexOptions()]],
  [3, 'equal', (s) => ['MGET', ...s.some(() => s.key())]],
  [3, 'equal', (s) => ['MSET', ...s.some(() => [s.key(), s.value()]).flat()]],
  [3, 'equal', (s) => ['MSETNX', ...s.some(() => [s.key(), s.value()]).flat()]],
  [4, 'equal', (s) => ['APPEND', s.key(), s.value()]],
  [2, 'equal', (s) => ['STRLEN', s.key()]],
  [4, 'equal', (s) => ['SETRANGE', s.key(), s.offset(), s.value()]],
  [3, 'equal', (s) => [s.pick(['GETRANGE', 'SUBSTR']), s.key(), s.integer(), s.integer()]],
  [4, 'equal', (s) => [s.pick(['INCR', 'DECR']), s.key()]],
  [4, 'equal', (s) => [s.pick(['INCRBY', 'DECRBY']), s.key(), s.integer()]],
  [4, 'equal', (s) => ['INCRBYFLOAT', s.key(), s.pick(FLOATS)]],
  [3, 'equal', (s) => ['LCS', s.key(), s.key(), ...s.lcsOptions()]],
  [3, 'equal', (s) => [s.pick(['DEL', 'UNLINK']), ...s.some(() => s.key())]],
  [3, 'equal', (s) => [s.pick(['EXISTS', 'TOUCH']), ...s.some(() => s.key())]],
  [1, 'equal', (s) => ['TYPE', s.key()]],
  [3, 'equal', (s) => [s.pick(['RENAME', 'RENAMENX']), s.key(), s.key()]],
  [3, 'equal', (s) => ['COPY', s.key(), s.key(), ...s.copyOptions()]],
  [3, 'equal', (s) => [s.pick(['EXPIRE', 'EXPIREAT']), s.key(), ...s.expireOptions('')]],
  [3, 'equal', (s) => [s.pick(['PEXPIRE', 'PEXPIREAT']), s.key(), ...s.expireOptions('000')]],
  [2, 'seconds', (s) => ['TTL', s.key()]],
  [2, 'milliseconds', (s) => ['PTTL', s.key()]],
  [2, 'seconds', (s) => ['EXPIRETIME', s.key()]],
  [2, 'milliseconds', (s) => ['PEXPIRETIME', s.key()]],
  [3, 'equal', (s) => ['PERSIST', s.key()]],
  [2, 'keys', (s) => ['KEYS', s.pick(PATTERNS)]],
  [2, 'scan', (s) => ['SCAN', s.pick(['0', '0', '0', '0', 'x', '']), ...s.scanOptions()]],
  [1, 'equal', () => ['DBSIZE']],
  [2, 'equal', (s) => s.flush()],
  [1, 'equal', (s) => ['ECHO', s.value()]],
  [1, 'equal', (s) => ['PING', ...s.maybe(0.5, () => s.value())]],
  [0.5, 'equal', (s) => ['PUBLISH', s.key(), s.value()]],
  [0.5, 'equal', (s) => [s.pick(['NOSUCHCOMMAND', 'GETT', 'SE', 'EXPIR']), ...s.some(() => s.key())]],
  [0.5, 'equal', (s) => [s.pick(['OBJECT', 'MEMORY', 'CLIENT']), 'NOSUCHSUBCOMMAND', s.key()]],
  [0.5, 'equal', () => ['CLIENT', 'GETNAME']],
  [0.5, 'equal', (s) => ['CLIENT', 'SETNAME', s.pick(['me', 'you', '', 'a b'])]],
  [0.5, 'equal', (s) => ['SELECT', s.pick(['0', '0', '1', '-1', 'x'])]],
  [4, 'equal', () => ['MULTI']],
  [6, 'exec', () => ['EXEC']],
  [1, 'equal', () => ['DISCARD']],
  [2, 'equal', (s) => s.watch()],
  [1, 'equal', () => ['UNWATCH']],
]

const TOTAL_WEIGHT = KINDS.reduce((sum, [weight]) => sum + weight, 0)

/** What the streams of one run know of each other. */
export class StreamedRun {
  /** In seconds since 1970. */
  readonly startedAt: number
  /** Expiries that were given. */
  expiries = 0
  /** Those who watch keys, and those whose transaction will empty the cache. */
  readonly watching = new Set<CommandStream>()
  readonly flushing = new Set<CommandStream>()

  constructor(startedAt: number) {
    this.startedAt = startedAt
  }
}

/** One client's commands. */
export class CommandStream {
  readonly #random: Random
  readonly #run: StreamedRun
  #queued: Likeness[] | null = null

  constructor(random: Random, run: StreamedRun) {
    this.#random = random
    this.#run = run
  }

  next(): StreamedCommand {
    const [, likeness, make] = this.#kind()
    const args = this.#spoil(make(this))
    args[0] = this.#anyCase(String(args[0]))
    const queued = this.#queued ?? []
    const inside = this.#queued !== null
    this.#follow(String(args[0]).toUpperCase(), args.length, likeness)
    // What is queued answers `QUEUED`, or an error that depends on nothing.
    return { args, likeness: inside && likeness !== 'exec' ? 'equal' : likeness, queued }
  }

  /**
   * Of a key that was not there, then was, and went with all others, Redis remembers that it was touched and we do not: where keys are watched, nobody
   * empties the cache.
   */
  flush(): string[] {
    if (this.#run.watching.size > 0) return ['DBSIZE']
    return [this.pick(['FLUSHALL', 'FLUSHDB']), ...this.maybe(0.5, () => this.pick(['ASYNC', 'SYNC', 'NOW']))]
  }

  watch(): string[] {
    return this.#run.flushing.size > 0 ? ['UNWATCH'] : ['WATCH', ...this.some(() => this.key())]
  }

  #kind(): Kind {
    let left = this.#random.next() * TOTAL_WEIGHT
    for (const kind of KINDS) {
      left -= kind[0]
      if (left < 0) return kind
    }
    return KINDS[0] as Kind
  }

  /** Keeps count of what EXEC will answer. A command that is refused when it is queued makes EXEC answer an error, and then the count is not needed. */
  #follow(name: string, length: number, likeness: Likeness): void {
    const { watching, flushing } = this.#run
    const queued = this.#queued
    // An EXEC that is refused ends the transaction too; a DISCARD that is refused does not.
    if ((name === 'EXEC' && (queued !== null || length > 1)) || (name === 'DISCARD' && queued !== null && length === 1)) {
      this.#queued = null
      watching.delete(this)
      flushing.delete(this)
    } else if (queued === null) {
      if (name === 'MULTI' && length === 1) this.#queued = []
      else if (name === 'WATCH') watching.add(this)
      else if (name === 'UNWATCH') watching.delete(this)
    } else if (name !== 'WATCH' && name !== 'MULTI' && name !== 'DISCARD') {
      queued.push(likeness)
      if (name.startsWith('FLUSH')) flushing.add(this)
    }
  }

  key(): string {
    return this.pick(KEYS)
  }

  value(): string {
    if (this.#random.next() < 0.1) return this.pick(VALUES).repeat(1 + randomBelow(this.#random, 20))
    return this.pick(VALUES)
  }

  integer(): string {
    return this.#random.next() < 0.3 ? this.pick(INTEGERS) : String(randomBelow(this.#random, 41) - 20)
  }

  /** Small, or beyond what either server would store. */
  offset(): string {
    return this.pick(['0', '1', '5', '30', '299', '-1', '536870912', '9223372036854775807', 'x', '0', '2', '3'])
  }

  seconds(): string {
    return this.#random.next() < 0.8
      ? String(this.#expiry())
      : this.pick(['0', '-1', 'x', '9223372036854775807', '-9223372036854775808', '01'])
  }

  milliseconds(): string {
    return this.#random.next() < 0.8 ? `${this.#expiry()}000` : this.pick(['0', '-1', 'x', '9223372036854775807', '1.5'])
  }

  atSecond(): string {
    return this.#random.next() < 0.8 ? String(this.#run.startedAt + this.#expiry()) : this.pick(['0', '-1', 'x', '9223372036854775807'])
  }

  atMillisecond(): string {
    return this.#random.next() < 0.8 ? `${this.#run.startedAt + this.#expiry()}000` : this.pick(['0', '-1', 'x', '-5'])
  }

  setOptions(): string[] {
    const said = this.some(() => this.pick(['NX', 'XX', 'GET', 'KEEPTTL', 'EX', 'PX', 'EXAT', 'PXAT']), 3)
    return said.flatMap((word) => [this.#anyCase(word), ...this.#amountOf(word)])
  }

  getexOptions(): string[] {
    const said = this.some(() => this.pick(['EX', 'PX', 'EXAT', 'PXAT', 'PERSIST', 'PERSIST', 'NX']), this.#random.next() < 0.8 ? 1 : 2)
    return this.#random.next() < 0.2 ? [] : said.flatMap((word) => [this.#anyCase(word), ...this.#amountOf(word, ['1', '1700000000'])])
  }

  copyOptions(): string[] {
    return this.maybe(0.6, () =>
      this.pick(['REPLACE', 'REPLACE', 'DB 0', 'DB 1', 'DB x', 'REPLACE DB 0', 'DB', 'DB 99999999999', 'NX']),
    ).flatMap((text) => this.#anyCase(text).split(' '))
  }

  /** `zeros` makes milliseconds of seconds. */
  expireOptions(zeros: string): string[] {
    const gone = this.pick(['0', '-1', '-9223372036854775808', '1000', '-100000', 'x'])
    const words = this.maybe(0.5, () => this.some(() => this.pick(['NX', 'XX', 'GT', 'LT', 'XX', 'LT', 'ZZ']), 2)).flat()
    // As a time to live one is near and one far; as a moment one is long gone.
    const amount = this.pick([this.#expiry(), this.#run.startedAt + this.#expiry()])
    return [this.#random.next() < 0.75 ? `${amount}${zeros}` : gone, ...words.map((word) => this.#anyCase(word))]
  }

  lcsOptions(): string[] {
    return this.some(
      () =>
        this.pick([
          'LEN',
          'IDX',
          'IDX',
          'WITHMATCHLEN',
          'MINMATCHLEN 2',
          'MINMATCHLEN 4',
          'MINMATCHLEN -1',
          'MINMATCHLEN x',
          'MINMATCHLEN',
          'LENGTH',
        ]),
      3,
    )
      .slice(randomBelow(this.#random, 2))
      .flatMap((text) => this.#anyCase(text).split(' '))
  }

  scanOptions(): string[] {
    const more = this.some(
      () =>
        this.pick([
          ['MATCH', this.pick(PATTERNS)],
          ['TYPE', 'string'],
          ['TYPE', 'list'],
          ['COUNT', '2000'],
          ['COUNT', '0'],
          ['COUNT', 'x'],
          ['LIMIT', '1'],
          ['MATCH'],
        ]),
      2,
    )
    return ['COUNT', '1000', ...more.slice(randomBelow(this.#random, 2)).flat()].map((word, i) =>
      i % 2 === 0 ? this.#anyCase(word) : word,
    )
  }

  pick<T>(from: readonly T[]): T {
    return from[randomBelow(this.#random, from.length)] as T
  }

  /** One to `most`. */
  some<T>(make: () => T, most: number = 4): T[] {
    return Array.from({ length: 1 + randomBelow(this.#random, most) }, make)
  }

  maybe<T>(probability: number, make: () => T): T[] {
    return this.#random.next() < probability ? [make()] : []
  }

  #amountOf(word: string, gone: readonly string[] = []): string[] {
    if (word === 'EX') return [this.seconds()]
    if (word === 'PX') return [this.milliseconds()]
    if (word !== 'EXAT' && word !== 'PXAT') return []
    if (gone.length > 0 && this.#random.next() < 0.1) return [this.pick(gone)]
    return [word === 'EXAT' ? this.atSecond() : this.atMillisecond()]
  }

  /** Seconds that no other command of the run has, in an order that is none. */
  #expiry(): number {
    return FIRST_EXPIRY + ((this.#run.expiries++ * EXPIRY_STRIDE) % EXPIRIES) * EXPIRY_STEP
  }

  /** Now and then there is an argument too many, or too few. */
  #spoil(args: Argument[]): Argument[] {
    const chance = this.#random.next()
    if (chance < 0.015) return args.slice(0, -1).length === 0 ? args : args.slice(0, -1)
    if (chance < 0.03) return [...args, this.pick(['extra', '0'])]
    return args
  }

  #anyCase(word: string): string {
    const chance = this.#random.next()
    if (chance < 0.6) return word
    if (chance < 0.8) return word.toLowerCase()
    return word.replace(/[A-Z]/g, (letter) => (this.#random.next() < 0.5 ? letter.toLowerCase() : letter))
  }
}
