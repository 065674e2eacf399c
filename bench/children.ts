/**
 * Child processes of a run: each in a process group of its own, so that it ends with all it has started itself. None outlives the run, whichever
 * way that ends, unless the run is killed outright.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface ChildOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Of what a child says, so much of the end is kept for error messages. */
const TAIL_CHARACTERS = 2_000

const children = new Set<Child>()

process.on('exit', () => {
  for (const child of children) child.kill()
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))

export class Child {
  readonly #process: ChildProcess
  readonly #ended: Promise<unknown>
  #output = ''
  #complaint = ''

  constructor(command: string, args: readonly string[], options: ChildOptions = {}) {
    this.#process = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
    })
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-TAIL_CHARACTERS)
    })
    children.add(this)
    this.#ended = once(this.#process, 'close').then(
      () => children.delete(this),
      (error: Error) => {
        this.#complaint += error.message
        children.delete(this)
      },
    )
  }

  get pid(): number {
    const { pid } = this.#process
    if (pid === undefined) throw new Error(`${this.#process.spawnfile} could not be started`)
    return pid
  }

  get running(): boolean {
    return children.has(this)
  }

  /** What it wrote to its standard output so far. */
  get output(): string {
    return this.#output
  }

  /** The end of what it said, for an error message. */
  get lastWords(): string {
    return (this.#complaint.trim() || this.#output.trim()).slice(-TAIL_CHARACTERS)
  }

  /** 0 after a good end; `null` before, and when a signal ended it. */
  get exitCode(): number | null {
    return this.#process.exitCode
  }

  /** The whole group, at once. Nothing that is measured here has anything to save. */
  kill(): void {
    if (this.#process.pid === undefined) return
    try {
      process.kill(-this.#process.pid, 'SIGKILL')
    } catch (error) {
      if ((error as { code?: string }).code !== 'ESRCH') throw error
    }
  }

  /** Resolves when it has ended, however. */
  async ended(): Promise<void> {
    await this.#ended
  }
}

/** Runs a program to its end and answers its standard output. Rejects when it fails, or takes longer than `limitMs`. */
export async function runProgram(command: string, args: readonly string[], limitMs: number, options?: ChildOptions): Promise<string> {
  const child = new Child(command, args, options)
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill()
  }, limitMs)
  await child.ended()
  clearTimeout(timer)
  const said = child.lastWords === '' ? '' : `: ${child.lastWords}`
  if (late) throw new Error(`${command} took longer than ${limitMs} ms${said}`)
  if (child.exitCode !== 0) throw new Error(`${command} failed with ${child.exitCode ?? 'a signal'}${said}`)
  return child.output
}
