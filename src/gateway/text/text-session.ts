/**
 * Text session: one client's connection. It executes line by line, in order: what comes while an answer is outstanding, while a listing goes out or
 * while the client does not read stays in the socket, so that a client can make nobody hold more than one line and one answer of its own.
 *
 * All that is answered at once to one chunk leaves in one write. A connection that ends by our will is closed for writing, and what the client still
 * sends is thrown away for a while: closing outright would reset the connection, and with it the last answer.
 */
import type { Socket } from 'node:net'
import type { Cache, FlushResult, Scan, ScanPage } from '../../cache/cache.ts'
import { OPERATION_DELETE, OPERATION_GET, OPERATION_SET, Operation, type Outcome } from '../../cache/operation.ts'
import { ByteWriter, NO_BYTES } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { VALUE_JSON } from '../../lib/entry.ts'
import type { CacheError } from '../../lib/errors.ts'
import { arrivalLimitMs } from '../arrival-limit.ts'
import type { InputBudget, InputHolder } from '../input-budget.ts'
import { Command } from './command.ts'
import { appendEscaped, appendJson } from './escape.ts'
import { LineReader } from './line-reader.ts'
import type { Traffic } from './traffic.ts'

export interface SessionContext {
  readonly cache: Cache
  readonly clock: Clock
  readonly traffic: Traffic
  readonly maxLineBytes: number
  /** Shared with all other faces. */
  readonly input: InputBudget
  /** A client with more unread output is cut off; at half of it, or `PAUSE_BYTES`, nothing more is executed for it. */
  readonly outputBufferLimitBytes: number
}

/** Gathered answers are handed to the socket at this size; a writer that grew beyond is not kept. */
const WRITE_BYTES = 64 * 1024
const PAUSE_BYTES = 256 * 1024
/** How long a client that has all may take to close after we did. */
const LINGER_MS = 2_000

const OK = Buffer.from('OK\n')
const PONG = Buffer.from('PONG\n')
const GOODBYE = Buffer.from('Goodbye!\n')
const NO_KEYS = Buffer.from('No keys found\n')
const NOT_FOUND = 'Key not found'
const HOST = 'host:'
const VERSION_LENGTH = ' HTTP/1.1'.length
const LINE_FEED = 0x0a

/** `open`; `ending`: executes nothing more, and ends once what is under way is answered; `ended`: closed for writing. */
type State = 'open' | 'ending' | 'ended'

export class TextSession implements InputHolder {
  readonly #socket: Socket
  readonly #context: SessionContext
  readonly #reader: LineReader
  readonly #command = new Command()
  readonly #operation = new Operation()
  readonly #pauseBytes: number
  #out = new ByteWriter()
  #state: State = 'open'
  /** An answer is outstanding. */
  #waiting = false
  #running = false
  /** The client has closed its side. */
  #inputOver = false
  /** The client does not read as fast as it asks. */
  #slow = false
  #scan: Scan | null = null
  #listed = 0
  /** What the budget of all input knows of this session. */
  #heldBytes = 0
  /** When the command under way became the next. */
  #sinceMs: number
  /** Last time a line began or was answered, or output left. */
  #activeMs: number
  readonly #outcomeDone = (error: CacheError | null, outcome: Outcome | null): void => this.#answerOutcome(error, outcome)
  readonly #written = (): void => this.#outputLeft()

  constructor(socket: Socket, context: SessionContext) {
    this.#socket = socket
    this.#context = context
    this.#reader = new LineReader(context.maxLineBytes)
    this.#pauseBytes = Math.min(PAUSE_BYTES, context.outputBufferLimitBytes / 2)
    this.#sinceMs = this.#activeMs = context.clock.now()
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('end', () => this.#inputEnded())
    socket.on('close', () => this.#closed())
  }

  /** Of answers that the client has not taken. */
  get outputBytes(): number {
    return this.#out.length + this.#socket.writableLength
  }

  /** Executes nothing more, finishes what is under way, and ends the connection. */
  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    if (!this.#running && !this.#waiting) this.#finish()
  }

  /** Cuts the connection off. A listing that is under way is reset: an orderly end could be taken for its last line. */
  destroy(): void {
    if (this.#scan === null) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  /** Ends the connection when nothing moved on it for `timeoutMs`; `restingOnly` spares one that is in the middle of something. */
  endIfIdle(nowMs: number, timeoutMs: number, restingOnly: boolean): void {
    if (nowMs - this.#activeMs < timeoutMs) return
    const stuck = this.#slow || this.#socket.writableLength > 0
    // The cache answers within a time of its own; who has to close after us has one too.
    if (!stuck && (this.#waiting || this.#state === 'ended')) return
    if (restingOnly) {
      if (!stuck && !this.#reader.partial) this.end()
      return
    }
    if (!stuck && this.#reader.partial) {
      this.#endLine()
      return
    }
    this.#context.traffic.timeoutsTotal++
    if (stuck) this.destroy()
    else this.end()
  }

  /** Ends the connection when the rest of a line is late. */
  endIfLate(nowMs: number): void {
    const reader = this.#reader
    if (this.#state !== 'open' || !reader.partial || this.#waiting || this.#slow) return
    if (nowMs - this.#activeMs >= arrivalLimitMs(reader.partialBytes)) this.#endLine()
  }

  #endLine(): void {
    this.#context.traffic.timeoutsTotal++
    this.#error('The line did not end in time')
    this.end()
  }

  #received(chunk: Buffer): void {
    this.#context.traffic.readBytesTotal += chunk.length
    if (this.#state !== 'open') return
    const began = !this.#reader.partial
    this.#reader.push(chunk)
    this.#run()
    if (began && this.#reader.partial) this.#activeMs = this.#context.clock.now()
    this.#account()
  }

  refuseInput(): void {
    this.#reader.drop()
    this.#account()
    if (this.#state !== 'open') return
    const { refusal } = this.#context.input
    this.#error(refusal.charAt(0).toUpperCase() + refusal.slice(1))
    this.end()
  }

  /** Only what is the beginning of a line: a line that is whole is executed at once, or waits in the socket's own chunk. */
  #account(): void {
    const { heldBytes } = this.#reader
    if (heldBytes === this.#heldBytes) return
    this.#heldBytes = heldBytes
    this.#context.input.hold(this, heldBytes, true)
  }

  /** The client sends nothing more, and still gets what it asked for. */
  #inputEnded(): void {
    this.#inputOver = true
    if (!this.#waiting && !this.#slow) this.end()
  }

  /** Executes until the chunk is used up or something has to be waited for. */
  #run(): void {
    if (this.#running) return
    this.#running = true
    this.#sinceMs = this.#context.clock.now()
    let more = false
    while (!more && this.#state === 'open' && !this.#waiting && !this.#slow) {
      const result = this.#reader.next()
      if (result === 'line') this.#execute()
      else if (result === 'over') this.#refuseLine()
      else more = true
      if (this.#out.length >= WRITE_BYTES) this.#flush()
    }
    this.#running = false
    if (more && this.#inputOver && this.#state === 'open') this.#state = 'ending'
    if (this.#state === 'ending' && !this.#waiting) {
      this.#finish()
      return
    }
    this.#flush()
    if (more) this.#socket.resume()
    else if (this.#state === 'open') this.#socket.pause()
  }

  #execute(): void {
    const { bytes, start, end } = this.#reader
    const command = this.#command
    command.parse(bytes, start, end)
    if (command.problem !== null) {
      // A browser that was talked into this: what follows may look like commands.
      const http = isOfHttp(bytes, start, end)
      if (http) this.#state = 'ending'
      this.#error(http ? 'This is no HTTP server' : command.problem)
      this.#answered()
      return
    }
    switch (command.name) {
      case 'get':
        this.#ask(OPERATION_GET, bytes)
        break
      case 'set':
        this.#ask(OPERATION_SET, bytes)
        break
      case 'delete':
        this.#ask(OPERATION_DELETE, bytes)
        break
      case 'keys':
        this.#list()
        break
      case 'flush':
        this.#waiting = true
        this.#context.cache.flush((error, result) => this.#answerFlush(error, result))
        break
      case 'ping':
        this.#answer(PONG)
        break
      case 'exit':
        this.#state = 'ending'
        this.#answer(GOODBYE)
        break
    }
  }

  #ask(code: number, bytes: Buffer): void {
    const { keyStart, keyEnd, valueStart, valueEnd } = this.#command
    const operation = this.#operation.reset(code).setKey(bytes, keyStart, keyEnd)
    if (code === OPERATION_SET) operation.setValue(bytes, valueStart, valueEnd)
    this.#waiting = true
    this.#context.cache.execute(operation, this.#outcomeDone)
  }

  #answerOutcome(error: CacheError | null, outcome: Outcome | null): void {
    if (outcome === null) this.#fail(error)
    else if (this.#command.name === 'get') this.#writeValue(outcome)
    else if (this.#command.name === 'delete' && !outcome.existed) this.#error(NOT_FOUND)
    else this.#out.raw(OK)
    this.#answered()
  }

  #writeValue({ entry }: Outcome): void {
    if (entry === null) {
      this.#error(NOT_FOUND)
      return
    }
    const append = entry.kind === VALUE_JSON ? appendJson : appendEscaped
    append(this.#out, entry.value, entry.valueStart, entry.valueEnd)
    this.#out.u8(LINE_FEED)
  }

  #answerFlush(error: CacheError | null, result: FlushResult | null): void {
    if (result === null) this.#fail(error)
    else if (result.unreached.length === 0) this.#out.raw(OK)
    else this.#error(`Flushed, but what these members hold may come back, as they did not answer: ${result.unreached.join(', ')}`)
    this.#answered()
  }

  #refuseLine(): void {
    this.#command.name = 'other'
    this.#error(`The line is longer than ${this.#context.maxLineBytes} bytes`)
    this.#answered()
  }

  #list(): void {
    this.#waiting = true
    this.#listed = 0
    this.#scan = this.#context.cache.scan({ prefix: NO_BYTES, suffix: NO_BYTES, after: null, values: false })
    this.#nextPage()
  }

  #nextPage(): void {
    this.#scan?.next((error, page) => {
      if (this.#scan === null) return
      if (page === null) this.#failListing(error)
      else this.#writePage(page)
    })
  }

  /** Never goes on in the same stack, and not before other connections had their turn. */
  #writePage(page: ScanPage): void {
    for (const { key, keyStart, keyEnd } of page.entries) {
      appendEscaped(this.#out, key, keyStart, keyEnd)
      this.#out.u8(LINE_FEED)
      if (this.#out.length >= WRITE_BYTES) this.#flush()
    }
    this.#listed += page.entries.length
    if (page.done) {
      this.#scan = null
      if (this.#listed === 0) this.#out.raw(NO_KEYS)
      this.#answered()
      return
    }
    this.#flush()
    if (!this.#slow) this.#context.clock.soon(() => this.#nextPage())
  }

  #failListing(error: CacheError | null): void {
    this.#scan = null
    this.#fail(error)
    if (this.#listed > 0) {
      this.#context.traffic.brokenListingsTotal++
      this.#state = 'ending'
    }
    this.#answered()
  }

  #answer(bytes: Buffer): void {
    this.#out.raw(bytes)
    this.#answered()
  }

  #fail(error: CacheError | null): void {
    const message = error?.message ?? 'a defect of the server'
    this.#error(message.charAt(0).toUpperCase() + message.slice(1))
  }

  #error(sentence: string): void {
    this.#context.traffic.errorsTotal++
    this.#out.raw(Buffer.from(`ERROR: ${sentence}\n`))
  }

  /** The command's answer is complete. */
  #answered(): void {
    const { clock, traffic } = this.#context
    const now = clock.now()
    traffic.count(this.#command.name, (now - this.#sinceMs) / 1000)
    this.#sinceMs = this.#activeMs = now
    this.#waiting = false
    this.#run()
  }

  #flush(): void {
    const out = this.#out
    if (out.length === 0 || this.#socket.destroyed) return
    this.#context.traffic.writtenBytesTotal += out.length
    this.#socket.write(out.toBuffer(), this.#written)
    if (out.length > WRITE_BYTES) this.#out = new ByteWriter()
    else out.reset()
    const unread = this.#socket.writableLength
    if (unread > this.#context.outputBufferLimitBytes) {
      this.#context.traffic.outputLimitTotal++
      this.#socket.resetAndDestroy()
    } else if (unread >= this.#pauseBytes) {
      this.#slow = true
    }
  }

  #outputLeft(): void {
    this.#activeMs = this.#context.clock.now()
    if (!this.#slow || this.#socket.destroyed || this.#socket.writableLength >= this.#pauseBytes) return
    this.#slow = false
    if (this.#scan !== null) this.#nextPage()
    else if (!this.#waiting) this.#run()
  }

  #finish(): void {
    if (this.#state === 'ended') return
    this.#flush()
    this.#state = 'ended'
    endGently(this.#socket, this.#context.clock)
  }

  #closed(): void {
    this.#state = 'ended'
    this.#reader.drop()
    this.#account()
    this.#scan?.close()
    this.#scan = null
  }
}

/** A request line, or the header that every request has. */
function isOfHttp(bytes: Buffer, start: number, end: number): boolean {
  const ending = bytes.toString('latin1', Math.max(start, end - VERSION_LENGTH), end)
  const beginning = bytes.toString('latin1', start, Math.min(end, start + HOST.length))
  return / HTTP\/1\.\d$/.test(ending) || beginning.toLowerCase() === HOST
}

/** Closes for writing, throws away what still comes, and cuts the connection off if the client, having all, does not close it in time. */
export function endGently(socket: Socket, clock: Clock): void {
  socket.end(() => {
    const timer = clock.after(LINGER_MS, () => socket.destroy())
    socket.on('close', () => timer.cancel())
  })
  socket.resume()
}
