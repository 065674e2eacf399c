/** Unary calls: a handler that takes a request and a callback, as grpc-js wants it. */
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import { CacheError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import { statusOf } from './status.ts'

/** Just one of the two is `null`. */
export type Done<Response> = (error: CacheError | null, response: Response | null) => void

/** What a handler throws is answered like what it hands to `done`. */
export function unary<Request, Response>(logger: Logger, handle: (request: Request, done: Done<Response>) => void) {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    try {
      handle(call.request, (error, response) => {
        if (response === null) callback(statusOf(error))
        else callback(null, response)
      })
    } catch (error) {
      if (!(error instanceof CacheError)) logger.error({ err: error, path: call.getPath() }, 'a gRPC call failed by a defect')
      callback(statusOf(error))
    }
  }
}
