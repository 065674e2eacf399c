/**
 * Commands on keys: get, set, delete, search, keys; and `store`, `read` and `delete --key`, with what users of an older key-value command line know:
 * store and delete print nothing, read prints the value, and a key that is not there is an error in a fixed sentence.
 */
import { buffer } from 'node:stream/consumers'
import type { Value } from '../client/index.ts'
import { EXIT, type ExitCode, UsageError } from './exit-code.ts'
import { lookUp } from './foreign-server.ts'
import { toJsonBytes } from './json-bytes.ts'
import { keyLine } from './key-line.ts'
import { readDuration, wholeNumber } from './number-argument.ts'
import { type AckOptions, acknowledged, ackOption, clientCommand, type Session, type Shell, withClient } from './session.ts'

interface GetOptions {
  readonly raw?: true
}

interface ReadOptions extends GetOptions {
  readonly key: string
}

interface SetOptions extends AckOptions {
  readonly ttl?: number
  readonly ifAbsent?: true
  readonly ifPresent?: true
  readonly stdin?: true
  readonly asJson?: true
}

interface DeleteOptions extends AckOptions {
  readonly key?: string
}

interface SearchOptions {
  readonly prefix?: string
  readonly suffix?: string
  readonly limit?: number
}

const RAW = 'the bytes of the value and nothing else, no line end'
const NEW_LINE = Buffer.from('\n')

export function addKeyCommands(shell: Shell): void {
  clientCommand(shell, 'get <key>', 'print the value of a key')
    .option('--raw', RAW)
    .action(withClient<GetOptions>(shell, (session) => get(session, String(session.operands[0]))))

  clientCommand(shell, 'set <key> [value]', 'store a value; prints nothing')
    .option('--ttl <duration>', 'how long it lives: 500ms, 30s, 5m, 2h, 1d; a number alone is seconds', readDuration)
    .option('--if-absent', 'only if there is no value; exit code 1 if there was')
    .option('--if-present', 'only if there is a value; exit code 1 if there was none')
    .option('--stdin', 'take the value from stdin, as it is')
    .option('--as-json', 'the value is JSON, and HTTP answers it so; else it is a string')
    .addOption(ackOption())
    .action(withClient<SetOptions>(shell, set, acknowledged))

  clientCommand(shell, 'delete [keys...]', 'delete keys; prints nothing; exit code 1 if none was there')
    .option('--key <key>', 'one key; no matter whether it was there')
    .addOption(ackOption())
    .action(withClient<DeleteOptions>(shell, remove, acknowledged))

  clientCommand(shell, 'search', 'print the keys that begin and end as asked, sorted')
    .option('--prefix <text>', 'how they begin')
    .option('--suffix <text>', 'how they end')
    .option('--limit <n>', 'most keys', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .action(withClient<SearchOptions>(shell, (session) => printKeys(session, session.client.searchBytes(session.options))))

  clientCommand(shell, 'keys [pattern]', 'print all keys, or those that match a pattern such as user:*, in no order').action(
    withClient(shell, (session) => {
      const match = session.operands[0] as string | undefined
      return printKeys(session, session.client.keysBytes({ match }))
    }),
  )

  clientCommand(shell, 'store', 'store a value; prints nothing')
    .requiredOption('--key <key>', 'the key')
    .requiredOption('--value <value>', 'the value')
    .action(
      withClient<{ readonly key: string; readonly value: string }>(shell, async ({ client, options }) => {
        await client.set(options.key, options.value)
        return EXIT.ok
      }),
    )

  clientCommand(shell, 'read', 'print the value of a key')
    .requiredOption('--key <key>', 'the key')
    .option('--raw', RAW)
    .action(withClient<ReadOptions>(shell, (session) => get(session, session.options.key)))
}

async function get(session: Session<GetOptions>, key: string): Promise<ExitCode> {
  const { client, terminal, options } = session
  if (session.json) return getJson(session, key)
  const value = await client.get(key)
  if (value === null) terminal.say(`ERROR: no key \`${key}\` found`)
  else await terminal.write(options.raw ? value : Buffer.concat([value, NEW_LINE]))
  return value === null ? EXIT.negative : EXIT.ok
}

/** As dumps have it: the text of the value, and its kind if that is JSON. */
async function getJson({ client, terminal }: Session<GetOptions>, key: string): Promise<ExitCode> {
  const entry = await lookUp(client, Buffer.from(key))
  if (entry === null) await terminal.writeJson({ key, found: false })
  else await terminal.writeJson({ key, found: true, value: toJsonBytes(entry.value), ...(entry.json ? { kind: 'json' } : {}) })
  return entry === null ? EXIT.negative : EXIT.ok
}

async function set({ client, terminal, json, options, operands }: Session<SetOptions>): Promise<ExitCode> {
  const [key, given] = operands as [string, string | undefined]
  const { ttl, ifAbsent, ifPresent, stdin, asJson } = options
  if (ifAbsent && ifPresent) throw new UsageError('--if-absent and --if-present exclude each other')
  if ((given === undefined) === (stdin === undefined)) throw new UsageError('give the value either after the key or by --stdin')
  const value: Value = given ?? (await buffer(terminal.input))
  const stored = await client.set(key, value, { ttlMs: ttl, ifAbsent, ifPresent, json: asJson })
  if (json) await terminal.writeJson({ key, stored })
  else if (!stored) terminal.say(ifAbsent ? `\`${key}\` has a value already` : `\`${key}\` has no value`)
  return stored ? EXIT.ok : EXIT.negative
}

async function remove({ client, terminal, json, options, operands }: Session<DeleteOptions>): Promise<ExitCode> {
  const named = operands[0] as readonly string[]
  const { key } = options
  if ((named.length === 0) === (key === undefined)) throw new UsageError('give the keys either one after the other or one by --key')
  const deleted = await client.delete(key ?? named)
  if (json) await terminal.writeJson({ deleted })
  if (key !== undefined || deleted > 0) return EXIT.ok
  if (!json) terminal.say(named.length === 1 ? `ERROR: no key \`${named[0]}\` found` : 'ERROR: none of the keys found')
  return EXIT.negative
}

async function printKeys({ terminal, json }: Session<unknown>, keys: AsyncIterable<Buffer>): Promise<ExitCode> {
  let separator = '['
  for await (const key of keys) {
    if (!json) await terminal.write(keyLine(key))
    else {
      await terminal.write(`${separator}${JSON.stringify(toJsonBytes(key))}`)
      separator = ','
    }
  }
  if (json) await terminal.write(separator === '[' ? '[]\n' : ']\n')
  return EXIT.ok
}
