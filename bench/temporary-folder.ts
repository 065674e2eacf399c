/**
 * Temporary folders: gone when the run ends.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folders: string[] = []

process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `jackdaw-bench-${name}-`))
  folders.push(folder)
  return folder
}
