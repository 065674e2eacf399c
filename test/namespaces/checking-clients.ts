/**
 * Clients with a memory, over RESP: each writes, deletes and reads keys of its own, every request through another of the members that it may use, with
 * `CLIENT ACK replica`: so no failure of a single member excuses a lost write. What they read is held against their history.
 */
import { type Random, randomBelow, SeededRandom } from '../../src/lib/random.ts'
import { RESP_PORT } from '../support/networked-members.ts'
import { encodeCommand, RawClient } from '../support/raw-resp.ts'
import { History } from './history.ts'

export interface CheckingOptions {
  readonly clients: number
  readonly seed: number
  /** Addresses of the members that may be asked now. */
  readonly members: () => readonly string[]
}

/** Longer than a member makes a request wait. */
const ANSWER_MS = 7_000
const PAUSE_MS = 5
const KEYS_OPEN = 12
const READS_PER_TURN = 100

export class CheckingClients {
  /** What was read and cannot be right, in words. */
  readonly violations: string[] = []
  /** Answers that did not come, or were errors, by what was said. */
  readonly failures = new Map<string, number>()
  writes = 0
  reads = 0
  readonly #options: CheckingOptions
  readonly #histories: History[] = []
  readonly #done: Promise<void>[]
  #stopped = false

  constructor(options: CheckingOptions) {
    this.#options = options
    this.#done = Array.from({ length: options.clients }, (_, i) => this.#run(i))
  }

  get keys(): number {
    return this.#histories.reduce((sum, history) => sum + history.keys().length, 0)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#done)
  }

  /** Once all is quiet: every key, retired ones too, through each of `members`. */
  async verify(members: readonly string[]): Promise<void> {
    for (const member of members) {
      const line = await RawClient.connect({ host: member, port: RESP_PORT }, ANSWER_MS)
      try {
        for (const history of this.#histories) await this.#verifyThrough(line, member, history)
      } finally {
        line.close()
      }
    }
  }

  async #verifyThrough(line: RawClient, member: string, history: History): Promise<void> {
    const keys = history.keys()
    for (let at = 0; at < keys.length; at += READS_PER_TURN) {
      const some = keys.slice(at, at + READS_PER_TURN)
      const replies = await line.exchange([Buffer.concat(some.map((key) => encodeCommand(['GET', key])))], some.length)
      for (const [i, key] of some.entries()) this.#judge(history, key, replies[i] as Buffer, `at rest, through ${member}`)
    }
  }

  async #run(number: number): Promise<void> {
    const random = new SeededRandom(this.#options.seed + number)
    const history = new History()
    const lines = new Map<string, RawClient>()
    this.#histories.push(history)
    for (let turn = 0; !this.#stopped; turn++) {
      const members = this.#options.members()
      const member = members[randomBelow(random, members.length)] as string
      try {
        const line = lines.get(member) ?? (await open(member))
        lines.set(member, line)
        await this.#ask(line, member, history, `client-${number}`, turn, random)
      } catch (error) {
        this.#failed((error as Error).message)
        lines.get(member)?.close()
        lines.delete(member)
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
    for (const line of lines.values()) line.close()
  }

  async #ask(line: RawClient, member: string, history: History, client: string, turn: number, random: Random): Promise<void> {
    const known = history.open()
    const fresh = known.length < KEYS_OPEN
    const key = fresh ? `${client}-key-${turn}` : (known[randomBelow(random, known.length)] as string)
    const choice = fresh ? 0 : random.next()
    if (choice > 0.5) {
      this.reads++
      this.#judge(history, key, await line.ask('GET', key), `while it happened, through ${member}`)
      return
    }
    const value = choice > 0.35 ? null : `${key}=${turn}`
    this.writes++
    history.sent(key, value)
    const reply = value === null ? await line.ask('DEL', key) : await line.ask('SET', key, value)
    if (reply[0] === 0x2d) this.#failed(reply.toString().trim().split(' ')[0] as string)
    else history.confirmed(key)
  }

  #judge(history: History, key: string, reply: Buffer, when: string): void {
    const text = reply.toString()
    if (text.startsWith('-')) {
      this.#failed(`read ${text.split(' ')[0]}`)
      return
    }
    const value = text.startsWith('$-1') ? null : text.slice(text.indexOf('\r\n') + 2, -2)
    const wrong = history.verdict(key, value)
    if (wrong !== null) this.violations.push(`${wrong} (${when})`)
  }

  #failed(why: string): void {
    this.failures.set(why, (this.failures.get(why) ?? 0) + 1)
  }
}

async function open(member: string): Promise<RawClient> {
  const line = await RawClient.connect({ host: member, port: RESP_PORT }, ANSWER_MS)
  const reply = await line.ask('CLIENT', 'ACK', 'replica')
  if (reply.toString() !== '+OK\r\n') throw new Error(`CLIENT ACK: ${reply}`)
  return line
}
