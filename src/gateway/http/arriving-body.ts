/**
 * Arriving body: gathers the body of one request, within the limit of a body and the budget that all clients share.
 *
 * What has come is counted against the budget until the answer has left: until the body is whole it may be refused, from then on it is being executed.
 * After a refusal the rest is read and dropped, so that the client gets to read why.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { CacheError } from '../../lib/errors.ts'
import type { InputBudget, InputHolder } from '../input-budget.ts'

/** Called once: with the body, or with why there is none. */
export type BodyDone = (error: Error | null, body?: Buffer) => void

export class ArrivingBody implements InputHolder {
  readonly #request: IncomingMessage
  readonly #budget: InputBudget
  readonly #maxBodyBytes: number
  #done: BodyDone | null
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(request: IncomingMessage, response: ServerResponse, budget: InputBudget, maxBodyBytes: number, done: BodyDone) {
    this.#request = request
    this.#budget = budget
    this.#maxBodyBytes = maxBodyBytes
    this.#done = done
    response.once('close', () => this.#budget.hold(this, 0, false))
  }

  /** Begins to read. */
  start(): void {
    if (Number(this.#request.headers['content-length']) > this.#maxBodyBytes) {
      this.#end(this.#tooLarge())
      return
    }
    this.#request.on('data', this.#take)
    this.#request.once('end', this.#whole)
    this.#request.once('error', this.#broken)
    this.#request.resume()
  }

  refuseInput(): void {
    this.#end(new CacheError('TOO_MUCH_INPUT', this.#budget.refusal))
  }

  readonly #take = (chunk: Buffer): void => {
    this.#bytes += chunk.length
    if (this.#bytes > this.#maxBodyBytes) {
      this.#end(this.#tooLarge())
      return
    }
    this.#chunks.push(chunk)
    this.#budget.hold(this, this.#bytes, true)
  }

  readonly #whole = (): void => {
    // A refusal that another holder causes comes too late from here on.
    this.#budget.hold(this, this.#bytes, false)
    const body = Buffer.concat(this.#chunks, this.#bytes)
    this.#finish()?.(null, body)
  }

  readonly #broken = (error: Error): void => this.#end(error)

  #end(error: Error): void {
    const done = this.#finish()
    this.#budget.hold(this, 0, false)
    done?.(error)
  }

  #finish(): BodyDone | null {
    const done = this.#done
    this.#done = null
    this.#chunks = []
    this.#request.off('data', this.#take)
    this.#request.off('end', this.#whole)
    this.#request.off('error', this.#broken)
    return done
  }

  #tooLarge(): CacheError {
    return new CacheError('BODY_TOO_LARGE', `the body is over maxBodyBytes (${this.#maxBodyBytes})`)
  }
}
