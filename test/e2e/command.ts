/**
 * Commands of other programs, each with a deadline. A command that fails, or is too late, is an error that says what it printed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

export interface CommandOptions {
  readonly timeoutMs?: number
  readonly input?: string
  readonly signal?: AbortSignal
}

const DEFAULT_TIMEOUT_MS = 30_000
/** Characters of a failed command's output that its error repeats: the last ones. */
const SHOWN = 4_000

/** Runs it and resolves with its standard output. */
export async function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, input = '', signal } = options
  const deadline = AbortSignal.timeout(timeoutMs)
  const child = spawn(command, args, { stdio: 'pipe', signal: signal ? AbortSignal.any([signal, deadline]) : deadline })
  const what = [command, ...args].join(' ')
  child.stdin.on('error', () => undefined).end(input)
  const [output, errors, ending] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)])
  if (deadline.aborted) throw new Error(`${what}: not done after ${timeoutMs} ms\n${(output + errors).slice(-SHOWN)}`)
  if (ending !== null) throw new Error(`${what}: ${ending}\n${(output + errors).slice(-SHOWN)}`)
  return output
}

/** Runs shell words that somebody gave, such as `ssh host kubectl`, with `args` added. */
export function runWords(words: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return run('sh', ['-c', `exec ${words} "$@"`, 'sh', ...args], options)
}

async function ended(child: ReturnType<typeof spawn>): Promise<string | null> {
  try {
    const [status, signal] = await once(child, 'close')
    return status === 0 ? null : `exit ${signal ?? status}`
  } catch (error) {
    return (error as Error).message
  }
}
