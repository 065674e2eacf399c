/** Runs `jackdaw` as a process, as a shell would without a terminal. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The bytes of stdout. */
  readonly bytes: Buffer
}

export interface Invocation {
  readonly input?: string | Buffer
  /** What `JACKDAW_ADDRESSES` is. */
  readonly addresses?: string
  /** Closes stdout after so many bytes, as `head` does. */
  readonly readBytes?: number
}

export async function jackdaw(args: readonly string[], { input = '', addresses, readBytes }: Invocation = {}): Promise<Ended> {
  const { JACKDAW_ADDRESSES: _, ...env } = process.env
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: addresses === undefined ? env : { ...env, JACKDAW_ADDRESSES: addresses },
    stdio: 'pipe',
    timeout: 30_000,
  })
  const chunks: Buffer[] = []
  let stderr = ''
  let read = 0
  child.stdout.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    read += chunk.length
    if (readBytes !== undefined && read >= readBytes) child.stdout.destroy()
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  // A command that wants no input may be gone before it is written.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  const bytes = Buffer.concat(chunks)
  return { code, stdout: bytes.toString(), stderr, bytes }
}
