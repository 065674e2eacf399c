/**
 * Session: what every command that talks to a server has in common: its options, a client made from them, and an exit code at the end.
 */
import { type Command, Option } from 'commander'
import { type Acknowledgement, type ClientOptions, JackdawClient } from '../client/index.ts'
import type { ExitCode } from './exit-code.ts'
import { readDuration } from './number-argument.ts'
import type { Terminal } from './terminal.ts'

export interface Session<Options> {
  readonly client: JackdawClient
  readonly terminal: Terminal
  /** Answers are to be JSON. */
  readonly json: boolean
  readonly options: Options
  /** The operands, as `processedArgs` has them. */
  readonly operands: readonly unknown[]
}

interface CommonOptions {
  readonly address?: readonly string[]
  readonly timeout: number
  readonly json?: true
}

/** Where commands are hung, and where they leave their exit code. */
export interface Shell {
  readonly program: Command
  readonly terminal: Terminal
  exitCode: ExitCode
}

const DEFAULT_TIMEOUT_MS = 5000

/** A command with the options that all clients share. `name` with its operands, as commander writes them. */
export function clientCommand(shell: Shell, name: string, summary: string): Command {
  return shell.program
    .command(name)
    .description(summary)
    .addOption(
      new Option('-a, --address <host:port>', 'a member, or a Service; may be repeated, or a list with commas (default: 127.0.0.1:6379)')
        .env('JACKDAW_ADDRESSES')
        .argParser((text: string, earlier: readonly string[] = []) => [...earlier, ...listOf(text)]),
    )
    .addOption(
      new Option('-t, --timeout <duration>', 'for each request: 500ms, 30s, 5m').argParser(readDuration).default(DEFAULT_TIMEOUT_MS, '5s'),
    )
    .option('--json', 'answer in JSON')
}

/** What commands that write have besides. */
export interface AckOptions {
  readonly ack?: Acknowledgement
}

export function ackOption(): Option {
  return new Option('--ack <when>', 'done when it is written, when one replica has it too, or when all have (default: local)').choices([
    'local',
    'replica',
    'all',
  ])
}

/** Client options for one connection that asks for the acknowledgement wanted. */
export function acknowledged({ ack }: AckOptions): ClientOptions {
  return ack === undefined ? { poolSize: 1 } : { poolSize: 1, ack }
}

/** An action: opens a client, runs `body`, closes it. `own` are client options that the command itself decides. */
export function withClient<Options>(
  shell: Shell,
  body: (session: Session<Options>) => Promise<ExitCode>,
  own: (options: Options) => ClientOptions = () => ({ poolSize: 1 }),
): (...parameters: unknown[]) => Promise<void> {
  return async (...parameters) => {
    const command = parameters.at(-1) as Command
    const { address, timeout, json = false } = command.opts<CommonOptions>()
    const options = command.opts() as Options
    const client = new JackdawClient({
      ...(address === undefined || address.length === 0 ? {} : { addresses: address }),
      requestTimeoutMs: timeout,
      ...own(options),
    })
    try {
      shell.exitCode = await body({ client, terminal: shell.terminal, json, options, operands: command.processedArgs })
    } finally {
      client.destroy()
    }
  }
}

/** Manifests leave empty variables behind: they name nothing. */
function listOf(text: string): string[] {
  return text
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '')
}
