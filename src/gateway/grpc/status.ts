/**
 * Status: a `CacheError` as gRPC carries it: the code of its row, its sentence, and its stable name in the trailing metadata.
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js'
import { CacheError, publicCode } from '../../lib/errors.ts'

const CODE_KEY = 'jackdaw-code'

/** `null`, and whatever else is no `CacheError`, is a defect of ours, which is not described to clients. */
export function statusOf(error: unknown): StatusObject {
  const known = error instanceof CacheError ? error : new CacheError('INTERNAL', 'a defect of the server')
  const metadata = new Metadata()
  metadata.set(CODE_KEY, publicCode(known.code))
  return { code: known.row.grpc, details: known.message, metadata }
}
