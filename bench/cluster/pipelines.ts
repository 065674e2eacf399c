/**
 * Pipelines: a load of so many connections, each of which sends so many commands at a time and the next as soon as all are answered. The keys are given,
 * so that it is known who serves them, and every reply is known beforehand: another length ends the run.
 *
 * redis-benchmark cannot do this: its keys are of all slots, or of one.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { RESP_PORT } from '../../test/support/networked-members.ts'
import { encodeCommand } from '../../test/support/raw-resp.ts'

export type Command = 'GET' | 'SET'

export interface PipelinePlan {
  readonly address: string
  readonly connections: number
  readonly depth: number
  readonly command: Command
  readonly keys: readonly string[]
  readonly value: string
  readonly requests: number
}

const SILENCE_MS = 30_000

/** Requests a second. Rejects when an answer is not the one that is due, or does not come. */
export async function runPipelines(plan: PipelinePlan): Promise<number> {
  const { address, connections, depth, command, keys, value, requests } = plan
  const replyBytes = command === 'SET' ? '+OK\r\n'.length : `$${value.length}\r\n${value}\r\n`.length
  const batches: Buffer[] = []
  for (let at = 0; at + depth <= keys.length; at += depth)
    batches.push(
      Buffer.concat(keys.slice(at, at + depth).map((key) => encodeCommand(command === 'SET' ? [command, key, value] : [command, key]))),
    )
  const sockets = await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect({ host: address, port: RESP_PORT, noDelay: true })
      await once(socket, 'connect')
      return socket
    }),
  )
  const due = Math.ceil(requests / depth)
  let sent = 0
  // One after the other, whoever asks: the first round over the keys misses none.
  const next = (): Buffer | undefined => (sent < due ? batches[sent++ % batches.length] : undefined)
  const startedMs = performance.now()
  try {
    await Promise.all(sockets.map((socket) => runOne(socket, depth * replyBytes, next)))
  } finally {
    for (const socket of sockets) socket.destroy()
  }
  return requests / ((performance.now() - startedMs) / 1_000)
}

/** Until `next` has no more. */
function runOne(socket: Socket, dueBytes: number, next: () => Buffer | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let missing = 0
    const go = (): void => {
      const batch = next()
      if (batch === undefined) {
        resolve()
        return
      }
      missing = dueBytes
      socket.write(batch)
    }
    socket.on('data', (bytes: Buffer) => {
      missing -= bytes.length
      if (missing < 0 || bytes[0] === 0x2d) reject(new Error(`answered ${bytes.toString('latin1', 0, 80)}`))
      else if (missing === 0) go()
    })
    socket.setTimeout(SILENCE_MS, () => reject(new Error(`no answer for ${SILENCE_MS} ms`)))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the connection was closed')))
    go()
  })
}
