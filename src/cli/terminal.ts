/**
 * Terminal: values go to stdout, talk goes to stderr, so that a pipe gets nothing but what was asked for.
 *
 * A reader that has seen enough (`head`) closes the pipe; then there is nobody to answer to, and the process ends quietly.
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { EXIT } from './exit-code.ts'

export class Terminal {
  readonly #stdout = process.stdout
  readonly #stderr = process.stderr

  constructor() {
    this.#stdout.on('error', endQuietly)
    this.#stderr.on('error', endQuietly)
  }

  /** Somebody sees what is said: a progress bar is of use. */
  get watched(): boolean {
    return this.#stderr.isTTY === true
  }

  /** Somebody can be asked. */
  get interactive(): boolean {
    return this.watched && process.stdin.isTTY === true
  }

  get input(): NodeJS.ReadableStream {
    return process.stdin
  }

  get output(): NodeJS.WritableStream {
    return this.#stdout
  }

  /** Values, to stdout. Resolves when there is room for more. */
  async write(bytes: string | Uint8Array): Promise<void> {
    if (!this.#stdout.write(bytes)) await once(this.#stdout, 'drain')
  }

  async writeJson(value: unknown): Promise<void> {
    await this.write(`${JSON.stringify(value)}\n`)
  }

  /** A line of talk, to stderr. */
  say(line: string): void {
    this.#stderr.write(`${line}\n`)
  }

  /** True for yes; anything else, the end of the input included, is no. */
  async confirm(question: string): Promise<boolean> {
    const lines = createInterface({ input: process.stdin, output: this.#stderr })
    const closed = once(lines, 'close').then(() => '')
    const answer = await Promise.race([lines.question(`${question} [y/N] `), closed])
    lines.close()
    return /^y(?:es)?$/i.test(answer.trim())
  }
}

function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.ok)
}
