/** The commands export and import. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { EXIT, type ExitCode } from './exit-code.ts'
import { dumpLines, type ExportCounts, writeWhole } from './export.ts'
import { type ImportCounts, importLines } from './import.ts'
import { startProgress } from './progress.ts'
import { type AckOptions, acknowledged, ackOption, clientCommand, type Session, type Shell, withClient } from './session.ts'

const CONNECTIONS = 4

export function addTransferCommands(shell: Shell): void {
  const spread = (): { poolSize: number } => ({ poolSize: CONNECTIONS })
  clientCommand(shell, 'export [file]', 'write all entries as JSON lines, to stdout if no file is given').action(
    withClient(shell, exportEntries, spread),
  )
  clientCommand(shell, 'import [file]', 'store the entries that export wrote, from stdin if no file is given')
    .addOption(ackOption())
    .action(withClient<AckOptions>(shell, importEntries, (options) => ({ ...acknowledged(options), ...spread() })))
}

async function exportEntries({ client, terminal, json, operands }: Session<unknown>): Promise<ExitCode> {
  const file = operands[0] as string | undefined
  const counts: ExportCounts = { exported: 0, gone: 0, skipped: 0 }
  const progress = startProgress(terminal, await client.size(), 'keys')
  const lines = async function* (): AsyncGenerator<string, void, undefined> {
    for await (const some of dumpLines(client, counts)) {
      yield some
      progress.update(counts.exported)
    }
  }
  try {
    if (file !== undefined) await writeWhole(file, lines())
    else for await (const some of lines()) await terminal.write(some)
  } finally {
    progress.stop()
  }
  // Where the entries went to stdout, the counts are talk.
  if (json && file !== undefined) await terminal.writeJson(counts)
  else if (json) terminal.say(JSON.stringify(counts))
  else terminal.say(`${counts.exported} exported${counts.skipped === 0 ? '' : `, ${counts.skipped} of other types skipped`}`)
  return EXIT.ok
}

async function importEntries({ client, terminal, json, operands }: Session<unknown>): Promise<ExitCode> {
  const file = operands[0] as string | undefined
  const counts: ImportCounts = { imported: 0, asText: 0, bytes: 0 }
  const bytes = file === undefined ? null : (await stat(file)).size
  const progress = startProgress(terminal, bytes, bytes === null ? 'entries' : 'bytes')
  const input = file === undefined ? terminal.input : createReadStream(file)
  try {
    await importLines(client, input, counts, () => progress.update(bytes === null ? counts.imported : counts.bytes))
  } finally {
    progress.stop()
    // Also when it failed: then this is what one has to know.
    const { imported, asText } = counts
    if (json) await terminal.writeJson({ imported, ...(asText === 0 ? {} : { asText }) })
    else terminal.say(`${imported} imported${asText === 0 ? '' : `, ${asText} JSON values as strings: the server knows nothing else`}`)
  }
  return EXIT.ok
}
