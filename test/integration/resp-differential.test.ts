/**
 * Redis itself as the judge: the same commands to redis-server and to the RESP face, in RESP2 and RESP3, their replies compared byte for byte.
 *
 * The random runs take their commands from `CommandStream`; two clients on each side take turns, and what one of them sends in a turn is cut into
 * random pieces. A run that fails prints its seed, and `JACKDAW_SEED=n` runs that one again. Where redis-server is not installed nothing is compared,
 * and the only test says so.
 */
// deadline: 120 s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { COMMANDS, type RespGateway } from '../../src/gateway/resp/index.ts'
import { type Random, randomBelow, SeededRandom, SystemRandom } from '../../src/lib/random.ts'
import { CommandStream, type Likeness, type StreamedCommand, StreamedRun } from '../support/command-stream.ts'
import { localCache } from '../support/local-cache.ts'
import { type Argument, encodeCommand, RawClient } from '../support/raw-resp.ts'
import { RedisServer, redisVersion } from '../support/redis-server.ts'
import { respFace } from '../support/resp-face.ts'
import { alike } from '../support/resp-likeness.ts'
import { CONVERSATIONS } from './resp-conversations.ts'

interface Context {
  redis: RedisServer
  gateway: RespGateway
  port: number
}

/** The same client twice: one of redis-server, one of ours. */
interface Pair {
  readonly theirs: RawClient
  readonly ours: RawClient
}

const RANDOM_COMMANDS = 20_000
const MOST_AT_ONCE = 60
const MOST_BYTES_IN_A_PIECE = 700
/** Of the commands before a difference. */
const SHOWN = 12

/** What Redis does not have. */
const OWN_COMMANDS: ReadonlySet<string> = new Set(['DELETE', 'FLUSH', 'GETENTRY', 'SEARCH', 'SETJSON'])

const UNORDERED: ReadonlyMap<string, Likeness> = new Map([
  ['KEYS', 'keys'],
  ['SCAN', 'scan'],
])

const installed = redisVersion()
const test = suite<Context>('resp: differential')

if (installed === null) {
  test('redis-server is not installed here: nothing is compared', () => {
    assert.is(redisVersion(), null)
  })
} else {
  test.before(async (context) => {
    context.redis = await RedisServer.start()
    context.gateway = respFace({ cache: localCache().cache })
    context.port = await context.gateway.listen('127.0.0.1', 0)
  })

  test.after(async ({ redis, gateway }) => {
    await redis?.close()
    await gateway?.close(0)
  })

  for (const protocol of [2, 3]) {
    test(`random commands are answered as by Redis, in RESP${protocol}`, async (context) => {
      const given = process.env['JACKDAW_SEED']
      const seed = given === undefined ? randomBelow(new SystemRandom(), 2 ** 31) : Number(given)
      await randomRun(context, seed, protocol)
    })

    for (const [name, lines] of CONVERSATIONS) {
      test(`${name}, in RESP${protocol}`, async (context) => {
        const pair = await connect(context, protocol)
        try {
          await bothSay(pair, [['FLUSHALL']])
          await bothSay(pair, lines)
        } finally {
          close(pair)
        }
      })
    }
  }

  test('the rows say of arity, flags and keys what COMMAND INFO says', async (context) => {
    const pair = await connect(context, 2)
    try {
      for (const row of COMMANDS) {
        if (OWN_COMMANDS.has(row.name)) continue
        const info = await pair.theirs.ask('COMMAND', 'INFO', row.name)
        const [, arity, flags, first, last, step] = splitInfo(info.toString('latin1'))
        assert.is(`${row.arity}`, arity, `${row.name}: arity`)
        assert.is(row.keys.join(' '), `${first} ${last} ${step}`, `${row.name}: keys`)
        if (row.group === 'string' || row.group === 'generic') assert.is([...row.flags].sort().join(' '), flags, `${row.name}: flags`)
      }
    } finally {
      close(pair)
    }
  })
}

/** Name, arity, flags in alphabetical order, first key, last key, step. */
function splitInfo(reply: string): string[] {
  const [, name, arity, flags, first, last, step] =
    /^\*1\r\n\*10\r\n\$\d+\r\n(.*)\r\n:(-?\d+)\r\n\*\d+\r\n((?:\+.*\r\n)*):(-?\d+)\r\n:(-?\d+)\r\n:(-?\d+)\r\n/.exec(reply) ?? []
  const sorted = (flags ?? '')
    .split('\r\n')
    .filter(Boolean)
    .map((flag) => flag.slice(1))
    .sort()
  return [name ?? '', arity ?? '', sorted.join(' '), first ?? '', last ?? '', step ?? '']
}

async function connect({ redis, port }: Context, protocol: number): Promise<Pair> {
  const pair = { theirs: await RawClient.connect({ path: redis.path }), ours: await RawClient.connect({ port, host: '127.0.0.1' }) }
  if (protocol === 3) for (const client of [pair.theirs, pair.ours]) assert.match((await client.ask('HELLO', '3')).toString(), /^%/)
  return pair
}

function close({ theirs, ours }: Pair): void {
  theirs.close()
  ours.close()
}

async function bothSay({ theirs, ours }: Pair, lines: readonly (readonly Argument[])[]): Promise<void> {
  for (const args of lines) {
    const wanted = await theirs.ask(...args)
    const answered = await ours.ask(...args)
    if (!alike(UNORDERED.get(String(args[0]).toUpperCase()) ?? 'equal', [], wanted, answered)) {
      assert.is(shown(answered), shown(wanted), describe(args))
    }
  }
}

async function randomRun(context: Context, seed: number, protocol: number): Promise<void> {
  const random = new SeededRandom(seed)
  const run = new StreamedRun(Math.floor(Date.now() / 1000))
  const clients = [await connect(context, protocol), await connect(context, protocol)].map((pair) => {
    return { pair, stream: new CommandStream(random, run) }
  })
  const said: string[] = []
  try {
    await bothSay((clients[0] as { pair: Pair }).pair, [['FLUSHALL']])
    for (let count = 0; count < RANDOM_COMMANDS; ) {
      const who = randomBelow(random, clients.length)
      const { pair, stream } = clients[who] as (typeof clients)[number]
      const commands = Array.from({ length: 1 + randomBelow(random, MOST_AT_ONCE) }, () => stream.next())
      const input = Buffer.concat(commands.map(({ args }) => encodeCommand(args)))
      const pieces = cut(random, input)
      const wanted = await pair.theirs.exchange([input], commands.length)
      const answered = await pair.ours.exchange(pieces, commands.length)
      for (const [i, command] of commands.entries()) {
        said.push(`${who}: ${describe(command.args)}`)
        compare(command, wanted[i] as Buffer, answered[i] as Buffer, () => `JACKDAW_SEED=${seed}\n${said.slice(-SHOWN).join('\n')}`)
      }
      count += commands.length
    }
  } catch (error) {
    console.log(`JACKDAW_SEED=${seed}`)
    throw error
  } finally {
    for (const { pair } of clients) close(pair)
  }
}

function compare(command: StreamedCommand, wanted: Buffer, answered: Buffer, story: () => string): void {
  if (alike(command.likeness, command.queued, wanted, answered)) return
  throw new Error(`${story()}\nredis-server: ${shown(wanted)}\njackdaw:      ${shown(answered)}`)
}

/** Pieces that do not care where a command begins. */
function cut(random: Random, input: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < input.length; ) {
    const end = Math.min(input.length, at + 1 + randomBelow(random, MOST_BYTES_IN_A_PIECE))
    pieces.push(input.subarray(at, end))
    at = end
  }
  return pieces
}

function describe(args: readonly Argument[]): string {
  return args.map((arg) => JSON.stringify(Buffer.from(arg as string, 'latin1').toString('latin1'))).join(' ')
}

function shown(reply: Buffer): string {
  return JSON.stringify(reply.toString('latin1'))
}

test.run()
