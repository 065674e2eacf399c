/**
 * Ports of loopback for processes that are told theirs. They lie below the range the kernel draws from for outgoing connections (32768 and up), so
 * that no connection of anybody takes one between the look and the use; and each process looks from a place of its own, so that two that start at
 * the same time do not choose the same.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'

const HOST = '127.0.0.1'
const FIRST = 10_000
const COUNT = 22_000
/** Between the places where processes that follow each other begin: more than one of them asks for. */
const STRIDE = 128

let next = (process.pid * STRIDE) % COUNT

/** Different ones with every call of a process; free a moment ago. Throws if all are taken. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  for (let tried = 0; ports.length < count; tried++) {
    if (tried === COUNT) throw new Error(`of ${COUNT} ports, fewer than ${count} are free`)
    const port = FIRST + next
    next = (next + 1) % COUNT
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, HOST)
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
