/**
 * RedisServer: the rival whose replies ours are compared with, as a process of its own that listens on a socket in a directory of its own.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const START_MS = 10_000
const ASK_AGAIN_MS = 20

/** What `redis-server --version` prints; `null` where it is not installed. */
export function redisVersion(): string | null {
  try {
    return execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).trim()
  } catch {
    return null
  }
}

export class RedisServer {
  readonly path: string
  readonly #directory: string
  readonly #process: ChildProcess
  /** A test that breaks down leaves nothing running. */
  readonly #kill = (): void => void this.#process.kill('SIGKILL')

  private constructor(directory: string) {
    this.#directory = directory
    this.path = join(directory, 'socket')
    const settings = {
      port: '0',
      unixsocket: this.path,
      save: '',
      appendonly: 'no',
      databases: '1',
      dir: directory,
      'busy-reply-threshold': '0',
    }
    const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
    this.#process = spawn('redis-server', options, { stdio: 'ignore' })
    process.once('exit', this.#kill)
  }

  static async start(): Promise<RedisServer> {
    const server = new RedisServer(mkdtempSync(join(tmpdir(), 'jackdaw-redis-')))
    const deadline = performance.now() + START_MS
    while (!(await answers(server.path))) {
      if (performance.now() > deadline || server.#process.exitCode !== null) {
        await server.close()
        throw new Error('redis-server does not answer')
      }
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))
    }
    return server
  }

  async close(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      this.#kill()
      await ended
    }
    process.off('exit', this.#kill)
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.on('connect', () => socket.end(() => resolve(true)))
    socket.on('error', () => resolve(false))
  })
}
