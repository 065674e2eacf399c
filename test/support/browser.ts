/**
 * Browser: a headless Chromium that a test drives over the DevTools protocol, on the WebSocket that Node has by itself.
 *
 * It has a profile of its own and no way to the internet: every name but 127.0.0.1 is one that does not resolve. What the page says on its console,
 * throws, or fails to load is kept, for tests to ask that it was nothing.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const START_MS = 30_000
const WAIT_MS = 15_000
const ASK_AGAIN_MS = 25
const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--no-first-run',
  '--no-proxy-server',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  '--window-size=1280,1600',
  '--remote-debugging-port=0',
]

/** The program's name; `null` where none is installed. */
export function browserName(): string | null {
  for (const name of NAMES) {
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' })
      return name
    } catch {
      // Not this one.
    }
  }
  return null
}

type Message = Readonly<Record<string, unknown>>

interface Answer {
  readonly id?: number
  readonly method?: string
  readonly params?: Message
  readonly result?: Message
  readonly error?: { readonly message: string }
}

export class Browser {
  /** What went wrong in the page, in words: errors of its console, what it threw, what it could not load. */
  readonly complaints: string[] = []
  /** Every address that it asked for. */
  readonly asked: string[] = []
  readonly #process: ChildProcess
  readonly #profile: string
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, { resolve: (result: Message) => void; reject: (error: Error) => void }>()
  /** Of the one page, once there is one. */
  #session = ''
  #lastId = 0

  private constructor(process: ChildProcess, profile: string, socket: WebSocket) {
    this.#process = process
    this.#profile = profile
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#received(JSON.parse(String(data)) as Answer))
  }

  static async start(name: string): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), 'jackdaw-browser-'))
    const child = spawn(name, [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'] })
    // A test that breaks down leaves nothing running.
    process.once('exit', () => child.kill('SIGKILL'))
    const socket = new WebSocket(await debuggerOf(child))
    await once(socket, 'open')
    const browser = new Browser(child, profile, socket)
    const { targetId } = await browser.#ask('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await browser.#ask('Target.attachToTarget', { targetId, flatten: true })
    browser.#session = String(sessionId)
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await browser.#ask(`${domain}.enable`)
    return browser
  }

  async open(url: string): Promise<void> {
    await this.#ask('Page.navigate', { url })
    await this.until('document.readyState === "complete"')
  }

  /** The value of an expression in the page, as JSON has it. Rejects with what it throws. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.#ask('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`)
    return (result as Message)['value']
  }

  /** Waits until the expression is true, and answers its value. */
  async until(expression: string): Promise<unknown> {
    const deadline = performance.now() + WAIT_MS
    for (;;) {
      const value = await this.evaluate(expression)
      if (value) return value
      if (performance.now() > deadline) throw new Error(`never came true: ${expression}`)
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS))
    }
  }

  /** Presses the mouse in the middle of the first element that matches, once it is there. */
  async click(selector: string): Promise<void> {
    const found = `document.querySelector(${JSON.stringify(selector)})`
    await this.until(`${found} !== null`)
    await this.evaluate(`${found}.scrollIntoView({ block: 'center', behavior: 'instant' })`)
    const { x, y } = (await this.evaluate(
      `(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 }))(${found}.getBoundingClientRect())`,
    )) as { x: number; y: number }
    for (const type of ['mousePressed', 'mouseReleased']) {
      await this.#ask('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount: 1 })
    }
  }

  /** Types into the first element that matches, over what is there. */
  async type(selector: string, text: string): Promise<void> {
    const found = `document.querySelector(${JSON.stringify(selector)})`
    await this.until(`${found} !== null`)
    await this.evaluate(`${found}.focus(), ${found}.select()`)
    await this.#ask('Input.insertText', { text })
  }

  /** The text of all elements that match, as it is shown. */
  async texts(selector: string): Promise<string[]> {
    return (await this.evaluate(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((each) => each.innerText)`)) as string[]
  }

  async close(): Promise<void> {
    this.#socket.close()
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await ended
    }
    // Its children may write for a moment longer.
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }

  #ask(method: string, params: Message = {}): Promise<Message> {
    const id = ++this.#lastId
    const session = this.#session === '' ? {} : { sessionId: this.#session }
    this.#socket.send(JSON.stringify({ id, method, params, ...session }))
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
  }

  #received({ id, method, params = {}, result = {}, error }: Answer): void {
    if (id !== undefined) {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) waiting?.resolve(result)
      else waiting?.reject(new Error(error.message))
    } else if (method === 'Network.requestWillBeSent') {
      this.asked.push(String((params['request'] as Message)['url']))
    } else if (isComplaint(method, params)) {
      this.complaints.push(`${method}: ${JSON.stringify(params)}`)
    }
  }
}

function isComplaint(method: string | undefined, params: Message): boolean {
  if (method === 'Runtime.exceptionThrown' || method === 'Network.loadingFailed') return true
  if (method === 'Runtime.consoleAPICalled') return params['type'] === 'error' || params['type'] === 'warning'
  return method === 'Log.entryAdded' && ['error', 'warning'].includes(String((params['entry'] as Message)['level']))
}

/** The address that it prints when it listens. */
async function debuggerOf(child: ChildProcess): Promise<string> {
  const signal = AbortSignal.timeout(START_MS)
  const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream, signal })
  for await (const line of lines) {
    const address = /^DevTools listening on (ws:\S+)/.exec(line)?.[1]
    if (address === undefined) continue
    // What it says later is read and dropped: a full pipe would stop it.
    child.stderr?.resume()
    return address
  }
  throw new Error('the browser does not say where it listens')
}
