/**
 * The command line as a whole: `run` reads the arguments, runs one command, and answers the exit code. Nothing here loads the server; `start` does
 * when it is asked to.
 */
import { Command, CommanderError } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { addBenchCommand } from './bench-command.ts'
import { addClusterCommand } from './cluster-command.ts'
import { EXIT, type ExitCode, errorCodeOf, exitCodeOf } from './exit-code.ts'
import { addKeyCommands } from './key-commands.ts'
import { addServerCommands } from './server-commands.ts'
import type { Shell } from './session.ts'
import type { Terminal } from './terminal.ts'
import { addTransferCommands } from './transfer-commands.ts'

const AFTERWORD = `
Exit codes: 0 done; 1 no such key, or the answer is no; 2 the command or its input cannot be used; 3 the server refused; 4 no server, or no answer in
time. Values go to stdout, everything else to stderr.`

/** `argv` without the program's own name. Defects of this program are thrown. */
export async function run(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const program = new Command('jackdaw')
    .description('A replicated in-memory cache: the server, and a client for the command line')
    .version(packageJson.version)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'ERROR: ')) })
    .addHelpText('after', AFTERWORD)
  const shell: Shell = { program, terminal, exitCode: EXIT.ok }
  addServerCommands(shell)
  addClusterCommand(shell)
  addKeyCommands(shell)
  addTransferCommands(shell)
  addBenchCommand(shell)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return shell.exitCode
  } catch (error) {
    const code = exitCodeOf(error)
    // Commander has said its own by itself.
    if (!(error instanceof CommanderError)) complain(terminal, error as Error, argv.includes('--json'))
    return code
  }
}

function complain(terminal: Terminal, error: Error, json: boolean): void {
  const { message } = error
  terminal.say(json ? JSON.stringify({ error: { code: errorCodeOf(error), message } }) : `ERROR: ${message}`)
}
