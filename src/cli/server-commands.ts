/** Commands on servers: start one, and ping, stats and flush those that run. */
import { EXIT, type ExitCode } from './exit-code.ts'
import { clientCommand, type Session, type Shell, withClient } from './session.ts'

export function addServerCommands(shell: Shell): void {
  shell.program
    .command('start')
    .description("run a server; `jackdaw start --help` lists the server's options")
    .argument('[options...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(start)

  clientCommand(shell, 'ping', 'see whether a server answers').action(withClient(shell, ping))
  clientCommand(shell, 'stats', 'print what the member that answers says of itself').action(withClient(shell, stats))
  clientCommand(shell, 'flush', 'delete every key of the cache; asks first when a terminal is there')
    .option('-y, --yes', 'do not ask')
    .action(withClient<{ readonly yes?: true }>(shell, flush))
}

/** From here on this is the server's process: its entry reads its own options, which stand where they would without a command before them. */
async function start(): Promise<void> {
  process.argv.splice(2, 1)
  await import('../main.ts')
}

async function ping({ client, terminal, json }: Session<unknown>): Promise<ExitCode> {
  const began = performance.now()
  await client.ping()
  const ms = Number((performance.now() - began).toFixed(2))
  if (json) await terminal.writeJson({ answered: true, ms })
  else {
    await terminal.write('PONG\n')
    terminal.say(`after ${ms} ms, connecting included`)
  }
  return EXIT.ok
}

async function stats({ client, terminal, json }: Session<unknown>): Promise<ExitCode> {
  const sections = await client.stats()
  if (json) await terminal.writeJson(sections)
  else {
    for (const [name, figures] of Object.entries(sections)) {
      const width = Math.max(...Object.keys(figures).map((figure) => figure.length))
      const lines = Object.entries(figures).map(([figure, value]) => `  ${figure.padEnd(width)}  ${value}\n`)
      await terminal.write(`${name}\n${lines.join('')}`)
    }
  }
  return EXIT.ok
}

async function flush({ client, terminal, json, options }: Session<{ readonly yes?: true }>): Promise<ExitCode> {
  if (!options.yes && terminal.interactive && !(await terminal.confirm('Delete every key of the cache?'))) {
    terminal.say('nothing was deleted')
    return EXIT.negative
  }
  await client.flush()
  if (json) await terminal.writeJson({ flushed: true })
  return EXIT.ok
}
