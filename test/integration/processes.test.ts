/**
 * Members as real processes over real sockets: what the simulation cannot show, that the edges (signals, gRPC, UDP, HTTP) hold together.
 */
// deadline: 120 s
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { getValue, Processes, setPairs, until } from '../support/processes.ts'

const test = suite('integration: processes')

const NAMES = ['jackdaw-0', 'jackdaw-1', 'jackdaw-2']
const RESTING = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`resting-${i}`, { number: i, text: 'x'.repeat(i) }]))

/** A client that writes its own keys and reads them back, through whichever of `urls` it likes. */
class Client {
  readonly problems: string[] = []
  checks = 0
  #stopped = false
  readonly #done: Promise<void>

  constructor(name: string, urls: () => readonly string[]) {
    this.#done = this.#run(name, urls)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async #run(name: string, urls: () => readonly string[]): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const at = (shift: number): string => urls()[(i + shift) % urls().length] as string
      const key = `${name}-${i % 50}`
      try {
        await setPairs(at(0), { [key]: i })
        const value = await getValue(at(1), key)
        if (value !== i) this.problems.push(`${key} is ${String(value)}, not ${i}`)
        this.checks++
      } catch (error) {
        this.problems.push(`${key}: ${(error as Error).message}`)
      }
    }
  }
}

async function assertResting(processes: Processes): Promise<void> {
  for (const { url } of processes.members.values()) {
    const all = (await (await fetch(`${url}/search?prefix=resting-&values=true&limit=1000`)).json()) as Record<string, unknown>
    assert.equal(all, Object.fromEntries(Object.entries(RESTING).sort(([a], [b]) => (a < b ? -1 : 1))))
  }
}

test('a member that is asked to stop hands over: no request fails, no key is lost, and its successor is filled', async () => {
  const processes = new Processes(NAMES)
  try {
    await processes.startAll()
    await setPairs((processes.members.get('jackdaw-0') as { url: string }).url, RESTING)
    await assertResting(processes)
    const others = (): string[] => [...processes.members.values()].filter(({ name }) => name !== 'jackdaw-1').map(({ url }) => url)
    const clients = ['a', 'b', 'c'].map((name) => new Client(name, others))
    await until(async () => clients.every(({ checks }) => checks > 50), 10_000, 'the clients to run')
    assert.is(await processes.end('jackdaw-1', 'SIGTERM'), 0)
    await assertResting(processes)
    processes.start('jackdaw-1')
    await processes.ready('jackdaw-1')
    for (const client of clients) await client.stop()
    for (const { problems } of clients) assert.equal(problems, [])
    await assertResting(processes)
  } finally {
    await processes.close()
  }
})

test('a killed member is replaced by its copies within seconds, and what was at rest is all there', async () => {
  const processes = new Processes(NAMES)
  try {
    await processes.startAll()
    const [first, second] = [...processes.members.values()].map(({ url }) => url) as [string, string]
    await setPairs(first, RESTING)
    await until(async () => (await getValue(second, 'resting-499')) !== undefined, 2000, 'the keys to arrive')
    await new Promise((resolve) => setTimeout(resolve, 500))
    await processes.end('jackdaw-2', 'SIGKILL')
    await until(
      async () => {
        await setPairs(first, Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`after-${i}`, i])))
        return true
      },
      10_000,
      'every slot to accept a write',
    )
    await assertResting(processes)
    processes.start('jackdaw-2')
    await processes.ready('jackdaw-2')
    await assertResting(processes)
    for (let i = 0; i < 200; i++) assert.is(await getValue((processes.members.get('jackdaw-2') as { url: string }).url, `after-${i}`), i)
  } finally {
    await processes.close()
  }
})

test('options that cannot be are refused with a sentence and exit code 2; --help prints the table', async () => {
  const main = new URL('../../src/main.ts', import.meta.url).pathname
  const run = promisify(execFile)
  const refused = await run(process.execPath, [main, '--max-key-bytes=0']).then(
    () => null,
    (error: { code: number; stderr: string }) => error,
  )
  assert.is(refused?.code, 2)
  assert.match(refused?.stderr ?? '', /max-key-bytes/)
  const { stdout } = await run(process.execPath, [main, '--help'])
  assert.match(stdout, /--http-port/)
  assert.match(stdout, /JACKDAW_HTTP_PORT/)
})

test.run()
