/**
 * Membership thread: starts the thread in which membership runs, and gives the data path its mirror of it.
 *
 * A pause of the data path, the garbage collector's above all, then delays no ping: measured with 2 million keys in the same isolate, an ack took
 * up to 777 ms, and from a thread of its own 18 ms. The thread shares nothing with the data path but a heartbeat and a channel for messages.
 * Without it a member would neither hear nor be heard, so its loss is the loss of the process (`failed`).
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Clock } from './lib/clock.ts'
import type { Logger } from './lib/logger.ts'
import type { SecretKeys } from './lib/secret-keys.ts'
import { type FromHost, Heartbeat, type Membership, type MembershipEvents, type OwnIdentity, RemoteMembership } from './membership/index.ts'

export interface MembershipThreadOptions {
  /** The local address to listen at, and the port for packets and exchanges alike: 0 for one that is free. */
  readonly host: string
  readonly port: number
  readonly clusterId: string
  /** Given here, or in a file that is followed; neither for packets that nobody signs. */
  readonly keys: SecretKeys | null
  readonly keysFile: string | null
  /** False: packets that nobody signed are believed too. */
  readonly verifies: boolean
  readonly logsDebug: boolean
}

export interface MembershipThreadParts {
  readonly clock: Clock
  readonly logger: Logger
  /** The thread is lost: the process has to end. Called at most once, and not after `close`. */
  readonly failed: (error: Error) => void
}

/** What the thread is given at start: as the options, but in what can be copied. */
export interface ThreadData extends Omit<MembershipThreadOptions, 'keys'> {
  /** In base64. */
  readonly keys: readonly string[] | null
  readonly heartbeat: SharedArrayBuffer
}

/** The first message of the thread. */
export type ThreadGreeting = { readonly type: 'listening'; readonly port: number } | { readonly type: 'failed'; readonly reason: string }

/** All that 4095 members can take, and some. */
const MAX_OLD_SPACE_MB = 64
const MAX_YOUNG_SPACE_MB = 4

export class MembershipThread {
  /** Where it listens. */
  readonly port: number
  readonly #worker: Worker
  readonly #heartbeat: Heartbeat
  readonly #parts: MembershipThreadParts
  #closed = false

  private constructor(worker: Worker, heartbeat: Heartbeat, port: number, parts: MembershipThreadParts) {
    this.#worker = worker
    this.#heartbeat = heartbeat
    this.#parts = parts
    this.port = port
  }

  /** Resolves when the sockets are bound; rejects when a port is taken or the keys cannot be read. */
  static async open(options: MembershipThreadOptions, parts: MembershipThreadParts): Promise<MembershipThread> {
    const heartbeat = new Heartbeat(parts.clock)
    const keys = options.keys?.bytes().map((key) => key.toString('base64')) ?? null
    const data: ThreadData = { ...options, keys, heartbeat: heartbeat.memory }
    // In the image both files are bundles, beside each other as they are here.
    const file = new URL(`./membership-worker${extname(import.meta.url)}`, import.meta.url)
    const worker = new Worker(file, {
      name: 'membership',
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: MAX_OLD_SPACE_MB, maxYoungGenerationSizeMb: MAX_YOUNG_SPACE_MB },
    })
    const port = await greeted(worker)
    const thread = new MembershipThread(worker, heartbeat, port, parts)
    worker.on('error', (error: Error) => thread.#lost(error))
    worker.on('exit', (code) => thread.#lost(new Error(`the thread of membership ended with code ${code}`)))
    return thread
  }

  /** The membership of this process; to be asked for once. */
  membership(self: OwnIdentity, events: MembershipEvents): Membership {
    return new RemoteMembership({
      clock: this.#parts.clock,
      logger: this.#parts.logger,
      self,
      events,
      heartbeat: this.#heartbeat,
      port: {
        post: (message) => this.#worker.postMessage(message),
        onMessage: (receive: (message: FromHost) => void) => {
          this.#worker.on('message', receive)
        },
      },
    })
  }

  /** Whether the data path was found hanging since this was asked last. */
  takeHung(): boolean {
    return this.#heartbeat.takeHung()
  }

  /** Ends the thread and its sockets. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#worker.terminate()
  }

  #lost(error: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#parts.failed(error)
  }
}

function greeted(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    const ended = (code: number): void => reject(new Error(`the thread of membership ended with code ${code}`))
    worker.once('error', reject)
    worker.once('exit', ended)
    worker.once('message', (greeting: ThreadGreeting) => {
      worker.off('error', reject)
      worker.off('exit', ended)
      if (greeting.type === 'listening') {
        resolve(greeting.port)
        return
      }
      const refuse = (): void => reject(new Error(greeting.reason))
      worker.terminate().then(refuse, refuse)
    })
  })
}
