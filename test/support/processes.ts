/**
 * Real processes on loopback: starts members as `npm start` would, on ports of their own, and ends what is left.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { NODE_FLAGS } from '../../scripts/node-flags.ts'
import { freePorts } from './free-ports.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const HOST = '127.0.0.1'
/** `http`, `gossip`, `peer`, `admin`, `resp`, `text`, `grpc` and `cluster` of one member. */
const PORTS_EACH = 8

export interface Process {
  readonly name: string
  readonly url: string
  readonly adminUrl: string
  readonly respPort: number
  readonly clusterPort: number
  readonly textPort: number
  readonly grpcPort: number
  readonly child: ChildProcess
}

export class Processes {
  readonly members = new Map<string, Process>()
  readonly #ports = new Map<string, readonly number[]>()
  readonly #names: readonly string[]
  readonly #children: ChildProcess[] = []

  constructor(names: readonly string[]) {
    this.#names = names
  }

  async startAll(): Promise<void> {
    const ports = await freePorts(this.#names.length * PORTS_EACH)
    for (const [i, name] of this.#names.entries()) this.#ports.set(name, ports.slice(i * PORTS_EACH, (i + 1) * PORTS_EACH))
    for (const name of this.#names) this.start(name)
    for (const name of this.#names) await this.ready(name)
  }

  /** A new life of a name, at its ports. */
  start(name: string): Process {
    const ports = this.#ports.get(name) as readonly number[]
    const [http, gossip, peer, admin, resp, text, grpc, cluster] = ports as [number, number, number, number, number, number, number, number]
    const seeds = this.#names.map((other) => `${other}=${HOST}:${(this.#ports.get(other) as readonly number[])[1]}`).join(',')
    const flags = {
      name,
      seeds,
      host: HOST,
      'advertise-host': HOST,
      'http-port': http,
      'gossip-port': gossip,
      'peer-port': peer,
      'admin-port': admin,
      'resp-port': resp,
      'cluster-port': cluster,
      'text-port': text,
      'grpc-port': grpc,
      'drain-ms': 500,
      'stop-timeout-ms': 15_000,
      'log-level': 'warn',
    }
    const child = spawn(process.execPath, [...NODE_FLAGS, MAIN, ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    this.#children.push(child)
    const member = {
      name,
      url: `http://${HOST}:${http}`,
      adminUrl: `http://${HOST}:${admin}`,
      respPort: resp,
      clusterPort: cluster,
      textPort: text,
      grpcPort: grpc,
      child,
    }
    this.members.set(name, member)
    return member
  }

  async ready(name: string): Promise<void> {
    const { adminUrl } = this.members.get(name) as Process
    await until(async () => (await fetch(`${adminUrl}/readyz`)).ok, 30_000, `${name} to be ready`)
  }

  /** Sends a signal, forgets the member, and answers its exit code (`null` when the signal ended it). */
  async end(name: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const { child } = this.members.get(name) as Process
    const exit = once(child, 'exit') as Promise<[number | null]>
    child.kill(signal)
    const [code] = await exit
    this.members.delete(name)
    return code
  }

  async close(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    }
  }
}

/** Polls until `done` answers true; a rejection counts as not yet. */
export async function until(done: () => Promise<boolean>, limitMs: number, what: string): Promise<void> {
  const deadline = Date.now() + limitMs
  for (;;) {
    if (await done().catch(() => false)) return
    if (Date.now() > deadline) throw new Error(`waited ${limitMs} ms for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export async function setPairs(url: string, pairs: Record<string, unknown>): Promise<void> {
  const response = await fetch(`${url}/set`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(pairs),
  })
  if (response.status !== 200) throw new Error(`POST /set: ${response.status} ${await response.text()}`)
  await response.arrayBuffer()
}

/** The value, or `undefined` for a miss. */
export async function getValue(url: string, key: string): Promise<unknown> {
  const response = await fetch(`${url}/get/${encodeURIComponent(key)}`)
  const body = await response.text()
  if (response.status === 404) return undefined
  if (response.status !== 200) throw new Error(`GET /get/${key}: ${response.status} ${body}`)
  return JSON.parse(body)
}
