/**
 * The RESP face: Redis's protocol in its versions 2 and 3, over TCP.
 *
 * It listens at two ports: at one for any client, at the other for clients that know of clusters (see router.ts); all else is the same for both.
 * It accepts clients up to a limit, looks after those that are idle or stuck, and counts. What a client says is its connection's to read. A stop goes
 * in two steps. `drain()`: nothing changes, since the protocol has no way to ask a client to leave. `close()`: nothing new is accepted, clients are
 * told good-bye when they are between two commands, a few at a time, so that they do not all come back to the others at the same moment.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Cache } from '../../cache/cache.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Logger } from '../../lib/logger.ts'
import { RequestRun } from '../../lib/request-run.ts'
import type { InputBudget } from '../input-budget.ts'
import { NOWHERE } from './collector.ts'
import { COMMANDS } from './command-list.ts'
import { CommandTable } from './command-table.ts'
import { Connection, type ConnectionContext, type Traffic } from './connection.ts'
import { type GatewayFacts, infoSections } from './gateway-info.ts'
import { LentReader } from './lent-read.ts'
import { Meter, type ObserveCommand } from './meter.ts'
import { PubSub } from './pubsub.ts'
import { ReplyWriter } from './reply-writer.ts'
import type { RespStats } from './resp-stats.ts'
import { Router } from './router.ts'
import type { Hub, InfoSection, Pause, Session, Settings } from './session.ts'
import { TicketPool } from './ticket.ts'
import { WriterPool } from './writer-pool.ts'

export interface RespGatewayOptions {
  readonly cache: Cache
  readonly clock: Clock
  readonly logger: Logger
  /** Of this program. */
  readonly version: string
  /** A client above this number is told so and sent away. */
  readonly maxClients: number
  /** What may wait for one client to read it. */
  readonly outputBufferLimitBytes: number
  /** Clients that say nothing for so long are cut off, subscribers excepted; 0: never. */
  readonly idleTimeoutMs: number
  /** Of one command with all its arguments, and of all that is queued in one transaction. At least one value and one key always fit. */
  readonly maxRequestBytes: number
  /** For requests that are not whole, those of all faces together. */
  readonly input: InputBudget
  /** Whether DEBUG works. */
  readonly debugCommands: boolean
  /** How old, in ms, what clients read that say READONLY may be; 0: they read from primaries. */
  readonly maxStaleMs: number
  readonly observe: ObserveCommand
  /** What INFO tells beside what the gateway knows itself. */
  readonly info: () => readonly InfoSection[]
  /** What CONFIG tells and changes beside `maxclients` and `timeout`. */
  readonly settings: Settings
}

const CHECK_MS = 1_000
/** How long a client that is not let in may take to hang up, and how many may do so at a time; more are not even told. */
const REJECT_MS = 1_000
const MAX_LEAVING = 256
const KEEP_ALIVE_DELAY_MS = 60_000
/** Of a key, a length line, and what else is not a value. */
const REQUEST_OVERHEAD_BYTES = 4096
/** Clients take their leave in so many steps, over half of the time there is. */
const GOOD_BYE_STEPS = 10
/** Nothing is written there for longer than a call. */
const NOWHERE_BYTES = 64 * 1024
const BACKLOG = 511
const SOCKET_OPTIONS = {
  allowHalfOpen: true,
  pauseOnConnect: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
}
const CLUSTER_ENABLED = 'cluster-enabled'

export class RespGateway {
  readonly #options: RespGatewayOptions
  readonly #server: Server
  /** For clients that know of clusters. */
  readonly #clusterServer: Server
  readonly #connections = new Map<number, Connection>()
  readonly #sessions = new Map<number, Session>()
  /** Sockets of clients that were too many and have not hung up yet. */
  readonly #leaving = new Set<Socket>()
  readonly #pubsub: PubSub
  readonly #reader = new LentReader()
  readonly #meter: Meter
  readonly #router: Router
  readonly #context: ConnectionContext
  readonly #clusterContext: ConnectionContext
  readonly #traffic: Traffic = {
    bytesIn: 0,
    bytesOut: 0,
    protocolErrors: 0,
    outputLimitKills: 0,
    idleKills: 0,
    halfRequestKills: 0,
    crossProtocolLoggedMs: Number.NEGATIVE_INFINITY,
  }
  readonly #tickets = new TicketPool()
  readonly #unsubscribe: () => void
  readonly #startedMs: number
  #maxClients: number
  #idleTimeoutMs: number
  #lastId = 0
  #accepted = 0
  #rejected = 0
  #pause: Pause | null = null
  #pauseTimer: Timer | null = null
  #checkTimer: Timer | null = null
  #closing = false
  #reset: RespStats | null = null

  constructor(options: RespGatewayOptions) {
    this.#options = options
    this.#maxClients = options.maxClients
    this.#idleTimeoutMs = options.idleTimeoutMs
    this.#startedMs = options.clock.now()
    const table = new CommandTable(COMMANDS)
    this.#pubsub = new PubSub(options.clock)
    this.#meter = new Meter(options.clock, table.all, options.observe)
    this.#router = new Router(options.cache.topology)
    this.#context = this.#buildContext(table, false)
    this.#clusterContext = this.#buildContext(table, true)
    this.#unsubscribe = options.cache.subscribe((channel, message) => this.#pubsub.deliver(channel, message))
    this.#server = createServer(SOCKET_OPTIONS, (socket) => this.#accept(socket, this.#context))
    this.#clusterServer = createServer(SOCKET_OPTIONS, (socket) => this.#accept(socket, this.#clusterContext))
  }

  /** Answers the port, which is a free one if `port` is 0. Rejects when it is taken. */
  async listen(host: string, port: number): Promise<number> {
    const taken = await this.#listen(this.#server, host, port)
    this.#checkAgain()
    return taken
  }

  /** Listens at a further port, whose clients know of clusters: they are sent to the member that serves their keys. As `listen`, and after it. */
  listenForClusterClients(host: string, port: number): Promise<number> {
    return this.#listen(this.#clusterServer, host, port)
  }

  /** A stop is near: nothing changes yet, see above. */
  drain(): void {}

  /** Accepts nothing more, lets clients go when they are between two commands, and after `graceMs` cuts what is left. */
  async close(graceMs: number): Promise<void> {
    const { clock } = this.#options
    this.#closing = true
    this.#checkTimer?.cancel()
    this.#setPause(null)
    const closed = Promise.all([closing(this.#server), closing(this.#clusterServer)])
    const stepMs = graceMs / 2 / GOOD_BYE_STEPS
    const share = Math.ceil(this.#connections.size / GOOD_BYE_STEPS)
    const timers = Array.from({ length: 2 * GOOD_BYE_STEPS }, (_, step) =>
      clock.after(step * stepMs, () => this.#sayGoodBye(step < GOOD_BYE_STEPS ? share : Number.POSITIVE_INFINITY)),
    )
    timers.push(
      clock.after(graceMs, () => {
        for (const connection of this.#connections.values()) connection.destroy()
        for (const socket of this.#leaving) socket.destroy()
      }),
    )
    await closed
    for (const timer of timers) timer.cancel()
    this.#unsubscribe()
  }

  /** Of replies that wait for their clients. O(connections). */
  get outputBytes(): number {
    let bytes = 0
    for (const connection of this.#connections.values()) bytes += connection.outputBytes
    return bytes
  }

  /** Plain numbers, counted since start. */
  stats(): RespStats {
    let subscribers = 0
    for (const session of this.#sessions.values()) if (session.subscriptions > 0) subscribers++
    return {
      connections: this.#connections.size,
      subscribers,
      acceptedTotal: this.#accepted,
      rejectedTotal: this.#rejected,
      commandsTotal: this.#meter.calls(),
      bytesInTotal: this.#traffic.bytesIn,
      bytesOutTotal: this.#traffic.bytesOut,
      outputLimitKillsTotal: this.#traffic.outputLimitKills,
      idleKillsTotal: this.#traffic.idleKills,
      halfRequestKillsTotal: this.#traffic.halfRequestKills,
      redirectsTotal: this.#router.redirectsTotal,
      protocolErrorsTotal: this.#traffic.protocolErrors,
      messagesTotal: this.#pubsub.deliveredTotal,
    }
  }

  #listen(server: Server, host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off('error', reject)
        server.on('error', (error) => this.#options.logger.warn({ err: error }, 'a RESP listener failed'))
        resolve(portOf(server))
      })
    })
  }

  #buildContext(table: CommandTable, cluster: boolean): ConnectionContext {
    const { cache, logger, input, outputBufferLimitBytes, maxRequestBytes } = this.#options
    const { maxKeyBytes, maxValueBytes } = cache.limits
    return {
      cache,
      table,
      logger,
      input,
      outputBufferLimitBytes,
      meter: this.#meter,
      tickets: this.#tickets,
      nowhere: new ReplyWriter(NOWHERE, NOWHERE_BYTES),
      maxTransactionBytes: maxRequestBytes,
      router: cluster ? this.#router : null,
      hub: this.#buildHub(cluster),
      reader: this.#reader,
      writers: new WriterPool(),
      run: new RequestRun(),
      traffic: this.#traffic,
      parserLimits: {
        maxBulkBytes: Math.max(maxValueBytes, maxKeyBytes),
        maxRequestBytes: Math.max(maxRequestBytes, maxValueBytes + maxKeyBytes + REQUEST_OVERHEAD_BYTES),
      },
      idleTimeoutMs: () => this.#idleTimeoutMs,
      left: (connection) => {
        this.#connections.delete(connection.session.id)
        this.#sessions.delete(connection.session.id)
      },
    }
  }

  #buildHub(cluster: boolean): Hub {
    const { clock, version, debugCommands, maxStaleMs } = this.#options
    const gateway = this
    return {
      clock,
      version,
      debugCommands,
      maxStaleMs,
      cluster,
      pubsub: this.#pubsub,
      sessions: this.#sessions,
      settings: this.#settings(cluster),
      get pause() {
        return gateway.#pause
      },
      setPause: (pause) => this.#setPause(pause),
      info: () => this.#info(cluster),
      resetStats: () => {
        this.#reset = this.stats()
      },
    }
  }

  #accept(socket: Socket, context: ConnectionContext): void {
    if (this.#connections.size >= this.#maxClients) {
      this.#reject(socket)
      return
    }
    this.#accepted++
    const id = ++this.#lastId
    const connection = new Connection(id, socket, context)
    this.#connections.set(id, connection)
    this.#sessions.set(id, connection.session)
  }

  /** What the client has sent is read and dropped: a socket closed with input unread is reset, and the client would not see why. */
  #reject(socket: Socket): void {
    this.#rejected++
    socket.on('error', () => {})
    if (this.#leaving.size >= MAX_LEAVING) {
      socket.destroy()
      return
    }
    this.#leaving.add(socket)
    const patience = this.#options.clock.after(REJECT_MS, () => socket.destroy())
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      patience.cancel()
      this.#leaving.delete(socket)
    })
    socket.resume()
    socket.end('-ERR max number of clients reached\r\n')
  }

  #checkAgain(): void {
    const { clock } = this.#options
    this.#checkTimer = clock.after(CHECK_MS, () => {
      const nowMs = clock.now()
      for (const connection of this.#connections.values()) connection.check(nowMs)
      if (!this.#closing) this.#checkAgain()
    })
  }

  /** To at most `count` clients that have nothing under way. */
  #sayGoodBye(count: number): void {
    let left = count
    for (const connection of this.#connections.values()) {
      if (left === 0) return
      if (!connection.quiet) continue
      connection.end()
      left--
    }
  }

  /** The longer of two pauses holds, and the stricter, as in Redis. */
  #setPause(pause: Pause | null): void {
    this.#pauseTimer?.cancel()
    this.#pauseTimer = null
    const running = this.#pause
    if (pause === null || running === null) {
      this.#pause = pause
    } else {
      this.#pause = { untilMs: Math.max(pause.untilMs, running.untilMs), writesOnly: pause.writesOnly && running.writesOnly }
    }
    if (this.#pause !== null) {
      this.#pauseTimer = this.#options.clock.after(this.#pause.untilMs - this.#options.clock.now(), () => this.#setPause(null))
      return
    }
    for (const connection of this.#connections.values()) connection.wake()
  }

  #settings(cluster: boolean): Settings {
    const { settings } = this.#options
    const own: Record<string, { get: () => number; set: (value: number) => void; perUnit: number }> = {
      maxclients: { get: () => this.#maxClients, set: (value) => (this.#maxClients = value), perUnit: 1 },
      timeout: { get: () => this.#idleTimeoutMs, set: (value) => (this.#idleTimeoutMs = value), perUnit: 1000 },
    }
    return {
      names: () => [...Object.keys(own), CLUSTER_ENABLED, ...settings.names()],
      get: (name) => {
        if (name === CLUSTER_ENABLED) return cluster ? 'yes' : 'no'
        const row = own[name]
        return row === undefined ? settings.get(name) : String(Math.ceil(row.get() / row.perUnit))
      },
      refusal: (name, value) => {
        if (name === CLUSTER_ENABLED) return "can't set immutable config"
        if (own[name] === undefined) return settings.refusal(name, value)
        const fits = /^[0-9]{1,9}$/.test(value) && (name !== 'maxclients' || Number(value) > 0)
        return fits ? null : 'argument must be a whole number'
      },
      set: (name, value) => {
        const row = own[name]
        if (row === undefined) settings.set(name, value)
        else row.set(Number(value) * row.perUnit)
      },
    }
  }

  #info(cluster: boolean): readonly InfoSection[] {
    const { clock, version, info } = this.#options
    const facts: GatewayFacts = {
      version,
      port: portOf(cluster ? this.#clusterServer : this.#server),
      cluster,
      uptimeMs: clock.now() - this.#startedMs,
      maxClients: this.#maxClients,
      channels: this.#pubsub.channelCount,
      patterns: this.#pubsub.patternCount,
      stats: this.stats(),
      reset: this.#reset,
    }
    return infoSections(facts, info())
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo | null)?.port ?? 0
}

function closing(server: Server): Promise<void> {
  return new Promise((resolve) => {
    if (server.listening) server.close(() => resolve())
    else resolve()
  })
}
