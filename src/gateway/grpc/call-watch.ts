/**
 * Call watch: an interceptor that sees every call begin and end. It counts and measures, and ends a call whose request does not arrive whole in time.
 */
import { ServerInterceptingCall, type ServerInterceptingCallInterface, type ServerInterceptor, status } from '@grpc/grpc-js'
import type { Clock } from '../../lib/clock.ts'
import { CacheError } from '../../lib/errors.ts'
import type { ArrivingMessages } from './arriving-messages.ts'
import { statusOf } from './status.ts'
import { methodOf, type Traffic } from './traffic.ts'

/** `arriving` is told of every call whose request is not whole. `requestTimeoutMs` is for requests of one message; streams of requests may take as long as they like. */
export function watchCalls(traffic: Traffic, clock: Clock, arriving: ArrivingMessages, requestTimeoutMs: number): ServerInterceptor {
  return ({ path, requestStream }, call) => {
    const watch = new CallWatch(call, path, traffic, clock, arriving.expect(call.getPeer()))
    if (!requestStream) watch.expectRequest(requestTimeoutMs)
    return watch.intercept()
  }
}

class CallWatch {
  readonly #call: ServerInterceptingCallInterface
  readonly #path: string
  readonly #traffic: Traffic
  readonly #clock: Clock
  readonly #startMs: number
  readonly #arrived: () => void
  #stopWaiting = (): void => {}
  #ended = false

  constructor(call: ServerInterceptingCallInterface, path: string, traffic: Traffic, clock: Clock, arrived: () => void) {
    this.#call = call
    this.#path = path
    this.#traffic = traffic
    this.#clock = clock
    this.#arrived = arrived
    this.#startMs = clock.now()
  }

  expectRequest(timeoutMs: number): void {
    const timer = this.#clock.after(timeoutMs, () => {
      this.#traffic.timeoutsTotal++
      const late = statusOf(new CacheError('REQUEST_TIMEOUT', 'the request did not arrive whole in time'))
      this.#end(late.code)
      this.#call.sendStatus(late)
    })
    this.#stopWaiting = () => timer.cancel()
  }

  intercept(): ServerInterceptingCall {
    return new ServerInterceptingCall(this.#call, {
      start: (next) =>
        next({
          onReceiveHalfClose: (pass) => {
            this.#stopWaiting()
            this.#arrived()
            pass()
          },
          // Comes after the status too, and alone when the client, its deadline or its connection ended the call.
          onCancel: () => this.#end(status.CANCELLED),
        }),
      sendStatus: (sent, next) => {
        this.#end(sent.code)
        next(sent)
      },
    })
  }

  #end(code: number): void {
    if (this.#ended) return
    this.#ended = true
    this.#stopWaiting()
    this.#arrived()
    this.#traffic.count(methodOf(this.#path), code, (this.#clock.now() - this.#startMs) / 1000)
  }
}
