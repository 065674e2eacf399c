/**
 * Key file: keys in a file that somebody else writes, one a line, read again every two seconds, so that a mounted secret that is replaced takes effect
 * without a restart. It is looked at rather than watched: the kubelet replaces a link two folders up, which watches of the file do not see.
 *
 * A file that cannot be read, or says something else, changes nothing: the keys that were read before stay.
 */
import { type FileHandle, open } from 'node:fs/promises'
import type { Clock } from './lib/clock.ts'
import type { Logger } from './lib/logger.ts'
import { SecretKeys } from './lib/secret-keys.ts'

const LOOK_MS = 2_000
const MAX_FILE_BYTES = 16 * 1024

/** The keys in a file: one a line, blank lines and lines that begin with `#` apart. Rejects with the reason, which quotes no line. */
export async function readKeyFile(path: string): Promise<SecretKeys> {
  const file = await open(path, 'r')
  try {
    const lines = (await readBounded(file)).split(/\r?\n/).map((line) => line.trim())
    return SecretKeys.parse(lines.filter((line) => line !== '' && !line.startsWith('#')))
  } finally {
    await file.close()
  }
}

/** Calls `changed` with what `path` says, each time when that is not what it said before; `keys` is what it said at first. For good. */
export function followKeyFile(path: string, keys: SecretKeys, clock: Clock, logger: Logger, changed: (keys: SecretKeys) => void): void {
  let held = keys
  let complaint = ''
  const look = async (): Promise<void> => {
    try {
      const read = await readKeyFile(path)
      complaint = ''
      if (!read.equals(held)) {
        held = read
        changed(read)
        logger.info({ keys: read.bytes().length }, 'the keys of the gossip were replaced')
      }
    } catch (error) {
      const { message } = error as Error
      if (message !== complaint) logger.warn({ error: message }, 'the keys of the gossip cannot be read: those of before stay')
      complaint = message
    }
    later()
  }
  const later = (): void => {
    clock.after(LOOK_MS, () => void look())
  }
  later()
}

async function readBounded(file: FileHandle): Promise<string> {
  const buffer = Buffer.alloc(MAX_FILE_BYTES + 1)
  const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
  if (bytesRead > MAX_FILE_BYTES) throw new RangeError(`the file is over ${MAX_FILE_BYTES} bytes`)
  return buffer.toString('utf8', 0, bytesRead)
}
