/**
 * Connection: one client's socket. Input goes through the parser to the executor, replies leave in one write for each piece of input.
 *
 * Nothing here grows without a limit. A client that does not read its replies is not read from either, once more waits for it than its socket takes;
 * what has to be sent all the same, messages of Pub/Sub above all, may grow to the output limit, and then the client is cut off. A command that
 * stands still half-way, and a client that says nothing for long, are cut off too: the gateway asks from time to time (`check`).
 */
import type { Socket } from 'node:net'
import type { RequestRun } from '../../lib/request-run.ts'
import { arrivalLimitMs } from '../arrival-limit.ts'
import type { InputBudget, InputHolder } from '../input-budget.ts'
import { Executor, type ExecutorContext } from './executor.ts'
import { type LentReader, sentBytes } from './lent-read.ts'
import { COMMAND, CROSS_PROTOCOL, NEEDS_MORE, Parser, type ParserLimits } from './parser.ts'
import type { Output } from './pipeline.ts'
import type { Receiver } from './pubsub.ts'
import type { ReplySink, ReplyWriter } from './reply-writer.ts'
import { type Hub, Session, type SessionControl } from './session.ts'
import { Turn } from './turn.ts'
import type { Borrower, WriterPool } from './writer-pool.ts'

/** Counted over all connections of a gateway. */
export interface Traffic {
  bytesIn: number
  bytesOut: number
  protocolErrors: number
  outputLimitKills: number
  idleKills: number
  halfRequestKills: number
  /** When a client that spoke HTTP was last logged, by `Clock.now`. */
  crossProtocolLoggedMs: number
}

export interface ConnectionContext extends ExecutorContext {
  readonly hub: Hub
  readonly reader: LentReader
  readonly writers: WriterPool
  /** Filled and executed by one connection at a time, within one call. */
  readonly run: RequestRun
  readonly traffic: Traffic
  readonly parserLimits: ParserLimits
  /** Shared with all other faces. */
  readonly input: InputBudget
  /** 0: never. */
  readonly idleTimeoutMs: () => number
  /** The connection is no more. */
  readonly left: (connection: Connection) => void
}

/** A command of which nothing comes for this long is given up, or after `idleTimeoutMs` if that is shorter. See also `arrivalLimitMs`. */
const HALF_REQUEST_MS = 30_000
/** How long a client that was told good-bye may take to hang up. */
const LINGER_MS = 5_000
/** Of input not executed yet that is kept while other things are waited for. */
const MAX_WAITING_INPUT_BYTES = 64 * 1024
/** Clients that speak HTTP are logged no more often. */
const CROSS_PROTOCOL_LOG_MS = 60_000

export class Connection implements SessionControl, Receiver, ReplySink, Output, InputHolder, Borrower {
  readonly session: Session
  readonly source: Parser
  readonly #socket: Socket
  readonly #context: ConnectionContext
  readonly #executor: Executor
  /** Borrowed while there is something to write. */
  #writer: ReplyWriter | null = null
  #working = false
  #scheduled = false
  /** A parsed command waits for others to be answered. */
  #waiting = false
  /** The socket takes no more for now. */
  #throttled = false
  /** Its turn was over before its input was; it goes on after the others. */
  #resting = false
  readonly #turn: Turn
  #inputEnded = false
  /** The last reply, after which the connection ends, once nothing is under way. */
  #lastWords: string | null = null
  /** Good-bye has been said, by `Clock.now`; -1 before. */
  #endedMs = -1
  #closed = false
  /** What the budget of all input knows of this connection. */
  #heldBytes = 0
  /** The command that was half-way when last looked at, by `Parser.ended`, and when it was first seen so. */
  #halfWay = -1
  #halfWayMs = 0
  /** What had left for the client when its unread output was last looked at. */
  #sentBytes = 0

  constructor(id: number, accepted: Socket, context: ConnectionContext) {
    const socket = context.reader.adopt(accepted, (lent, length) => this.#received(lent, length))
    this.#socket = socket
    this.#context = context
    this.source = new Parser(context.parserLimits)
    this.#turn = new Turn(context.hub.clock)
    this.session = new Session({
      id,
      address: addressText(socket.remoteAddress, socket.remotePort),
      localAddress: addressText(socket.localAddress, socket.localPort),
      hub: context.hub,
      control: this,
    })
    this.#executor = new Executor(this.session, this, context)
    socket.setNoDelay(true)
    socket.on('drain', () => this.#drained())
    socket.on('end', () => this.#ended())
    // 'close' follows, and there is nobody to tell.
    socket.on('error', () => {})
    socket.on('close', () => this.#cleared())
  }

  get inTransaction(): boolean {
    return this.#executor.inTransaction
  }

  get queued(): number {
    return this.#executor.queued
  }

  get outputBytes(): number {
    return this.#socket.writableLength + (this.#writer?.length ?? 0)
  }

  get inputBytes(): number {
    return this.source.pendingBytes
  }

  /** Nothing is under way, half-way or waiting. */
  get quiet(): boolean {
    return this.#executor.idle && !this.#waiting && this.source.pendingBytes === 0 && this.outputBytes === 0
  }

  multi(): void {
    this.#executor.multi()
  }

  exec(): void {
    this.#executor.exec()
  }

  discard(): void {
    this.#executor.discard()
  }

  reply(): ReplyWriter {
    if (this.#writer === null) {
      const { writers } = this.#context
      this.#writer = writers.borrow(this, this.session.protocol)
      if (!this.#working) writers.mayReclaim(this)
      this.#schedule()
    }
    this.#writer.protocol = this.session.protocol
    return this.#writer
  }

  send(write: (reply: ReplyWriter) => void): void {
    if (!this.#closed && this.#endedMs < 0) write(this.reply())
  }

  proceed(): void {
    if (!this.#working) this.#schedule()
  }

  overflow(): void {
    if (this.#closed) return
    this.#context.traffic.outputLimitKills++
    this.#context.logger.debug({ client: this.session.address }, 'a client does not read its replies and is cut off')
    this.destroy()
  }

  end(): void {
    if (this.#endedMs >= 0 || this.#closed) return
    this.#endedMs = this.#context.hub.clock.now()
    this.source.clear()
    this.#waiting = false
    this.#schedule()
  }

  destroy(): void {
    this.#closed = true
    this.#executor.close()
    this.#socket.destroy()
  }

  message(channel: Buffer, message: Buffer): void {
    this.send((reply) => {
      reply.push(3)
      reply.bulk(MESSAGE)
      reply.bulk(channel)
      reply.bulk(message)
    })
  }

  patternMessage(pattern: Buffer, channel: Buffer, message: Buffer): void {
    this.send((reply) => {
      reply.push(4)
      reply.bulk(PATTERN_MESSAGE)
      reply.bulk(pattern)
      reply.bulk(channel)
      reply.bulk(message)
    })
  }

  refuseInput(): void {
    if (!this.#closed) this.#refuse(`ERR ${this.#context.input.refusal}`)
  }

  /** What had to wait for somebody else's permission may be tried again. */
  wake(): void {
    if (this.#waiting) this.proceed()
  }

  /** Cuts the connection if it has been silent, half-way or saying good-bye for too long. */
  check(nowMs: number): void {
    if (this.#closed) return
    const { traffic } = this.#context
    const idleTimeoutMs = this.#context.idleTimeoutMs()
    this.#noteReading(nowMs)
    const silentMs = nowMs - this.session.lastActiveMs
    if (this.#endedMs >= 0) {
      if (nowMs - this.#endedMs >= LINGER_MS) this.destroy()
    } else if (this.#isHalfWay() && (silentMs >= Math.min(idleTimeoutMs || HALF_REQUEST_MS, HALF_REQUEST_MS) || this.#isSlow(nowMs))) {
      traffic.halfRequestKills++
      this.#refuse('ERR Protocol error: the command did not arrive whole in time')
    } else if (idleTimeoutMs > 0 && silentMs >= idleTimeoutMs && this.#mayBeIdle()) {
      traffic.idleKills++
      this.destroy()
    }
  }

  /** Sends what there is to send, and has no slab from then on. */
  giveBack(): void {
    const writer = this.#writer
    if (writer === null) return
    const { writers } = this.#context
    writer.flush()
    this.#writer = null
    writers.keep(this)
    writers.giveBack(writer)
  }

  take(buffer: Buffer, end: number): boolean {
    const socket = this.#socket
    if (this.#closed || socket.destroyed) return true
    this.#context.traffic.bytesOut += end
    const waiting = socket.writableLength
    if (waiting + end > this.#context.outputBufferLimitBytes) {
      this.overflow()
      return true
    }
    // What cannot leave at once is copied, so that a client that does not read pins one slab at most.
    if (waiting > 0) socket.write(Buffer.from(buffer.subarray(0, end)))
    else socket.write(buffer.subarray(0, end))
    const left = socket.writableLength
    if (socket.writableNeedDrain) this.#throttled = true
    return waiting > 0 || left === 0
  }

  /** Forgets what has come and is not under way, and says good-bye. */
  #refuse(words: string): void {
    this.source.clear()
    this.#waiting = false
    this.#executor.discard()
    this.#lastWords = words
    this.#account()
    this.#schedule()
  }

  #received(lent: Buffer, length: number): void {
    this.#context.traffic.bytesIn += length
    if (this.#endedMs >= 0 || this.#closed || this.#lastWords !== null) return
    this.source.push(lent, length)
    this.#work(true)
    this.source.own()
  }

  #ended(): void {
    this.#inputEnded = true
    this.#work()
  }

  #drained(): void {
    this.#throttled = false
    this.#work(true)
  }

  /** A client that takes its replies is not silent, however long it takes. */
  #noteReading(nowMs: number): void {
    if (this.#socket.writableLength === 0) return
    const sent = sentBytes(this.#socket)
    if (sent !== this.#sentBytes) this.session.lastActiveMs = nowMs
    this.#sentBytes = sent
  }

  /** Executes what there is, as far as possible, and sends what came of it. `byClient`: it has sent something, or read all there was. */
  #work(byClient: boolean = false): void {
    if (this.#working || this.#closed) return
    this.#working = true
    const { meter, writers } = this.#context
    if (this.#writer !== null) writers.keep(this)
    const measured = meter.begin()
    if (byClient) this.session.lastActiveMs = meter.startedMs
    this.#execute()
    if (measured) meter.end()
    this.#settle()
    this.#working = false
    this.#flush()
    this.#regulate()
    this.#account()
  }

  /** Tells the budget what is held now, if that has changed. */
  #account(): void {
    const bytes = this.#closed ? 0 : this.source.heldBytes + this.#executor.heldBytes
    if (bytes === this.#heldBytes) return
    this.#heldBytes = bytes
    this.#context.input.hold(this, bytes, this.#executor.idle)
  }

  #execute(): void {
    const { source } = this
    const executor = this.#executor
    const turn = this.#turn.begin()
    while (!this.#throttled && !this.#resting && this.#endedMs < 0 && this.#lastWords === null && !this.#closed) {
      if (!this.#waiting && this.#executeRun()) {
        if (source.pendingBytes > 0 && turn.overNow()) this.#rest()
        continue
      }
      if (!this.#waiting) {
        const found = source.next()
        if (found === NEEDS_MORE) break
        if (found === CROSS_PROTOCOL) {
          this.#crossProtocol()
          break
        }
        if (found !== COMMAND) {
          this.#context.traffic.protocolErrors++
          this.#lastWords = `ERR ${source.error}`
          break
        }
      }
      this.#waiting = !executor.execute(source.args)
      if (this.#waiting) break
      if (source.pendingBytes > 0 && (executor.plain ? turn.over() : turn.overNow())) this.#rest()
    }
    if (source.pendingBytes === 0 && executor.idle) executor.release()
  }

  /** Executes the plain requests that come next, together. False: the next one is none, or is not answered at once. */
  #executeRun(): boolean {
    const { cache, run } = this.#context
    if (!this.#executor.takesRuns || this.source.plain(cache.limits, run) === 0) return false
    const executed = this.#executor.executeRun(run)
    if (executed === 0) return false
    this.source.passed(run.end[executed - 1] as number)
    return true
  }

  #rest(): void {
    this.#resting = true
    this.#context.hub.clock.soon(() => {
      this.#resting = false
      this.#work()
    })
  }

  /** A browser that was talked into sending commands: what follows the header would be executed. */
  #crossProtocol(): void {
    const { traffic, hub, logger } = this.#context
    traffic.protocolErrors++
    const nowMs = hub.clock.now()
    if (nowMs - traffic.crossProtocolLoggedMs >= CROSS_PROTOCOL_LOG_MS) {
      traffic.crossProtocolLoggedMs = nowMs
      logger.warn(
        { client: this.session.address },
        'a client sent POST or Host: as HTTP has them, and is cut off: a possible cross-protocol attack',
      )
    }
    this.destroy()
  }

  /** What can only be done when nothing is under way. */
  #settle(): void {
    if (!this.#executor.idle || this.#endedMs >= 0) return
    if (this.#lastWords !== null) {
      this.reply().error(this.#lastWords)
      this.end()
    } else if (this.#inputEnded && !this.#waiting && !this.#throttled && !this.#resting) {
      this.end()
    }
  }

  #flush(): void {
    this.giveBack()
    if (this.#endedMs >= 0 && this.#executor.idle && !this.#socket.writableEnded) this.#socket.end()
  }

  /** Reads on, or not. */
  #regulate(): void {
    const stop = (this.#throttled || this.#resting || this.#waiting) && this.#endedMs < 0
    if (stop && (this.#throttled || this.#resting || this.source.pendingBytes > MAX_WAITING_INPUT_BYTES)) this.#socket.pause()
    else if (this.#socket.isPaused()) this.#socket.resume()
  }

  #schedule(): void {
    if (this.#working || this.#scheduled) return
    this.#scheduled = true
    // After the input that is at hand has been handled: what comes together leaves together.
    process.nextTick(() => {
      this.#scheduled = false
      if (this.#closed) this.giveBack()
      else this.#work()
    })
  }

  #isHalfWay(): boolean {
    return this.source.pendingBytes > 0 && !this.#waiting && !this.#throttled && !this.#resting && this.#executor.idle
  }

  /** The command that is half-way has been so for longer than its bytes need. */
  #isSlow(nowMs: number): boolean {
    const { ended, pendingBytes } = this.source
    if (ended !== this.#halfWay) {
      this.#halfWay = ended
      this.#halfWayMs = nowMs
    }
    return nowMs - this.#halfWayMs >= arrivalLimitMs(pendingBytes)
  }

  #mayBeIdle(): boolean {
    return this.session.subscriptions === 0 && this.#executor.idle && !this.#waiting
  }

  #cleared(): void {
    this.#closed = true
    this.#executor.close()
    this.source.clear()
    this.#account()
    this.giveBack()
    const { pubsub } = this.#context.hub
    for (const channel of this.session.channels) pubsub.unsubscribe(channel, this)
    for (const pattern of this.session.patterns) pubsub.unsubscribePattern(pattern, this)
    this.#context.left(this)
  }
}

const MESSAGE = Buffer.from('message')
const PATTERN_MESSAGE = Buffer.from('pmessage')

/** As Redis shows addresses. A socket that is closed already has none. */
function addressText(host: string = '?', port: number = 0): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
