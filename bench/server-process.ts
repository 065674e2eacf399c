/**
 * A server under measurement: a process on the core of servers, with the CPU time it took and the memory it holds as the kernel counts them.
 */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Child } from './children.ts'
import { HOST, SERVER_CORE } from './machine.ts'

export interface ServerPlan {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** Where its clients connect. */
  readonly port: number
  /** Beside listening. */
  readonly ready?: () => Promise<boolean>
}

/** Something that can be measured, as often as asked. */
export interface Subject {
  readonly name: string
  start(): Promise<ServerProcess>
}

const START_MS = 30_000
const ASK_AGAIN_MS = 20
/** The kernel's unit for times in /proc on every architecture: 100 ticks a second. */
const TICK_MICROS = 10_000
const KIB = 1024
const SETTLED_BYTES = 256 * KIB
const SETTLE_LIMIT_MS = 60_000

export class ServerProcess {
  readonly port: number
  readonly #child: Child

  private constructor(plan: ServerPlan) {
    this.port = plan.port
    // taskset becomes the program it starts, so the process is the server's own.
    this.#child = new Child('taskset', ['--cpu-list', String(SERVER_CORE), plan.command, ...plan.args])
  }

  static async start(plan: ServerPlan): Promise<ServerProcess> {
    const server = new ServerProcess(plan)
    const deadline = performance.now() + START_MS
    while (!((await listens(plan.port)) && (plan.ready === undefined || (await plan.ready())))) {
      if (performance.now() > deadline || !server.#child.running) {
        const fate = server.#child.running ? `does not answer on port ${plan.port}` : 'ended'
        const { lastWords } = server.#child
        await server.end()
        throw new Error(`${plan.name} ${fate}${lastWords === '' ? '' : `: ${lastWords}`}`)
      }
      await pause(ASK_AGAIN_MS)
    }
    return server
  }

  /** CPU time of all its threads since it began, in microseconds, in steps of 10 ms. */
  cpuMicros(): number {
    return cpuTicks(readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8')) * TICK_MICROS
  }

  residentBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]) * KIB
  }

  /** What it holds once that has stayed the same for `quietMs`; after a minute, whatever it is then. */
  async settledBytes(quietMs: number): Promise<number> {
    const deadline = performance.now() + SETTLE_LIMIT_MS
    let held = this.residentBytes()
    let since = performance.now()
    while (performance.now() - since < quietMs && performance.now() < deadline) {
      await pause(100)
      const now = this.residentBytes()
      if (Math.abs(now - held) <= SETTLED_BYTES) continue
      held = now
      since = performance.now()
    }
    return this.residentBytes()
  }

  async end(): Promise<void> {
    this.#child.kill()
    await this.#child.ended()
  }
}

/** User and system time in a line of /proc/<pid>/stat. The program's name, in parentheses, may hold anything. */
export function cpuTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
