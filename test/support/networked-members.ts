/**
 * Members as real processes, each on a host of its own in a network of namespaces: they can be killed, stopped in the middle of everything and resumed,
 * and have their cables cut. All listen on the usual ports, each at its own address.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { NODE_FLAGS } from '../../scripts/node-flags.ts'
import type { ClusterReport } from '../../src/cache/cache.ts'
import type { Network } from './namespaces.ts'
import { until } from './processes.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const READY_MS = 150_000
/** A member that is stopped answers nothing: who asks it must not wait. */
const ASK_MS = 2_000

export const RESP_PORT = 6379
const HTTP_PORT = 8080
const ADMIN_PORT = 9090
const GOSSIP_PORT = 7946

export type Flags = Readonly<Record<string, string | number>>

export interface MemberOptions {
  /** How many of the hosts are seeds, and so known to all from the start. */
  readonly seeds: number
  readonly flags?: Flags
  /** Put before the command of a host's process: `taskset`, for one. */
  readonly wrap?: (host: number) => readonly string[]
  /** Where others are to find a host, if not at its address. */
  readonly advertised?: (host: number) => string
}

export class NetworkedMembers {
  readonly network: Network
  readonly #options: MemberOptions
  readonly #children = new Map<number, ChildProcess>()
  /** What each life said, in order; a line each. */
  readonly #logs: string[] = []
  readonly #killAll = (): void => {
    for (const host of this.running) this.signal(host, 'SIGKILL')
  }

  constructor(network: Network, options: MemberOptions) {
    this.network = network
    this.#options = options
    process.on('exit', this.#killAll)
  }

  /** The hosts whose process was started and has not ended. */
  get running(): number[] {
    return [...this.#children.keys()].sort((a, b) => a - b)
  }

  name(host: number): string {
    return `jackdaw-${host}`
  }

  /** All seeds, and waits until they are ready and every slot has its copies. */
  async startAll(): Promise<void> {
    const hosts = Array.from({ length: this.#options.seeds }, (_, host) => host)
    for (const host of hosts) this.start(host)
    for (const host of hosts) await this.ready(host)
    await this.settled()
  }

  /** A new life of a host's name. */
  start(host: number): void {
    const { seeds, wrap, advertised, flags: given } = this.#options
    const found = (other: number): string => advertised?.(other) ?? this.network.address(other)
    const flags: Flags = {
      name: this.name(host),
      seeds: Array.from({ length: seeds }, (_, other) => `${this.name(other)}=${found(other)}:${GOSSIP_PORT}`).join(','),
      'advertise-host': found(host),
      'drain-ms': 500,
      'stop-timeout-ms': 20_000,
      'log-level': 'info',
      ...given,
    }
    const [command = '', ...words] = [...(wrap?.(host) ?? []), ...this.network.on(host), process.execPath, ...NODE_FLAGS, MAIN]
    const args = [...words, ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)]
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const pipe of [child.stdout, child.stderr]) {
      let rest = ''
      pipe?.setEncoding('utf8').on('data', (text: string) => {
        const said = (rest + text).split('\n')
        rest = said.pop() as string
        this.#logs.push(...said)
      })
    }
    child.once('exit', () => {
      if (this.#children.get(host) === child) this.#children.delete(host)
    })
    this.#children.set(host, child)
  }

  async ready(host: number): Promise<void> {
    const url = `http://${this.network.address(host)}:${ADMIN_PORT}/readyz`
    await until(async () => (await ask(url)).ok, READY_MS, `${this.name(host)} to be ready`)
  }

  /** Until all that run see each other, every slot is served, and has its copies. */
  async settled(limitMs = READY_MS): Promise<void> {
    const count = this.running.length
    const copied = count > 1 && this.#options.flags?.['replicas'] !== 0
    await until(
      async () => {
        for (const host of this.running) {
          const { unservedSlots, uncopiedSlots, members } = await this.report(host)
          const live = members.filter(({ state }) => state === 'alive' || state === 'suspect')
          if (unservedSlots > 0 || (uncopiedSlots > 0 && copied)) return false
          if (live.length !== count || live.some(({ state, figures }) => state !== 'alive' || figures === null)) return false
        }
        return true
      },
      limitMs,
      `${count} members to be one cluster with every copy`,
    )
  }

  async report(host: number, ranges = false): Promise<ClusterReport> {
    const url = `http://${this.network.address(host)}:${HTTP_PORT}/cluster?ranges=${ranges}`
    return (await (await ask(url)).json()) as ClusterReport
  }

  /** One of its metrics; the sum over its labels. Those with a label are asked for with it: `jackdaw_members{state="dead"}`. */
  async metric(host: number, name: string): Promise<number> {
    const text = await (await ask(`http://${this.network.address(host)}:${ADMIN_PORT}/metrics`)).text()
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }

  /** Has the member of a host leave for good, as it is told through another. */
  async retire(host: number, through: number): Promise<void> {
    const url = `http://${this.network.address(through)}:${HTTP_PORT}/register/${this.name(host)}`
    const answer = await fetch(url, { method: 'DELETE', signal: AbortSignal.timeout(ASK_MS) })
    if (answer.status !== 202) throw new Error(`DELETE /register: ${answer.status} ${await answer.text()}`)
  }

  pid(host: number): number {
    const pid = this.#children.get(host)?.pid
    if (pid === undefined) throw new Error(`${this.name(host)} does not run`)
    return pid
  }

  signal(host: number, signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM' | 'SIGKILL'): void {
    process.kill(this.pid(host), signal)
  }

  /** Resolves with the exit code of the life that runs, `null` for a signal. */
  async ended(host: number): Promise<number | null> {
    const child = this.#children.get(host)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const [code] = (await once(child, 'exit')) as [number | null]
    return code
  }

  /** Lines of the logs with this text in them, of all lives so far. */
  said(text: string): string[] {
    return this.#logs.filter((line) => line.includes(text))
  }

  /** The last lines of all logs, for the message of a failure. */
  lastWords(lines: number): string {
    return this.#logs.slice(-lines).join('\n')
  }

  async close(): Promise<void> {
    process.off('exit', this.#killAll)
    this.#killAll()
    for (const host of this.running) await this.ended(host)
  }
}

/** Once more when it fails: a connection that was kept may have been closed by the other side just then. */
function ask(url: string): Promise<Response> {
  const once = (): Promise<Response> => fetch(url, { signal: AbortSignal.timeout(ASK_MS) })
  return once().catch(once)
}
