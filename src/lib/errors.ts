/**
 * Errors that a client can meet, one row each: the stable code, the face-specific status, and whether anything was changed when it is answered.
 *
 * Gateways look the row up and never invent a status. Expected failures are `CacheError`s; a broken invariant is an `assert` and ends the process.
 */
export interface ErrorRow {
  /** HTTP status. */
  readonly http: number
  /** First word of the RESP error reply. */
  readonly resp: string
  /** gRPC status code (google.rpc.Code). */
  readonly grpc: number
  /** Whether the request changed something: `maybe` when the answer was lost, `yes` when it did and something else was not fulfilled. */
  readonly touched: 'no' | 'maybe' | 'yes'
  /** What it means, as the documentation prints it. */
  readonly meaning: string
}

const GRPC_UNKNOWN = 2
const GRPC_INVALID_ARGUMENT = 3
const GRPC_DEADLINE_EXCEEDED = 4
const GRPC_NOT_FOUND = 5
const GRPC_PERMISSION_DENIED = 7
const GRPC_RESOURCE_EXHAUSTED = 8
const GRPC_FAILED_PRECONDITION = 9
const GRPC_UNIMPLEMENTED = 12
const GRPC_INTERNAL = 13
const GRPC_UNAVAILABLE = 14

export const ERRORS = {
  KEY_NOT_FOUND: row(404, 'ERR', GRPC_NOT_FOUND, 'no', 'No value is stored under the key.'),
  MEMBER_NOT_FOUND: row(404, 'ERR', GRPC_NOT_FOUND, 'no', 'No member that is there has this name or address.'),
  ROUTE_NOT_FOUND: row(404, 'ERR', GRPC_UNIMPLEMENTED, 'no', 'There is no such path.'),
  METHOD_NOT_ALLOWED: row(
    405,
    'ERR',
    GRPC_UNIMPLEMENTED,
    'no',
    'The path exists, but not for this method; the `Allow` header names those it has.',
  ),
  REQUEST_INVALID: row(400, 'ERR', GRPC_INVALID_ARGUMENT, 'no', 'What came is not a request of this protocol.'),
  FORBIDDEN: row(403, 'ERR', GRPC_PERMISSION_DENIED, 'no', 'A page of another origin may not change anything.'),
  KEY_INVALID: row(400, 'ERR', GRPC_INVALID_ARGUMENT, 'no', 'The key is empty, too long or not valid UTF-8.'),
  BODY_INVALID: row(400, 'ERR', GRPC_INVALID_ARGUMENT, 'no', 'The body is not what the route expects.'),
  QUERY_INVALID: row(400, 'ERR', GRPC_INVALID_ARGUMENT, 'no', 'A query parameter is malformed or out of range.'),
  TTL_INVALID: row(400, 'ERR', GRPC_INVALID_ARGUMENT, 'no', 'The time to live is not a positive duration, or over the limit.'),
  NOT_AN_INTEGER: row(409, 'ERR', GRPC_FAILED_PRECONDITION, 'no', 'The value, or the amount to add, is not a whole number of 64 bits.'),
  NOT_A_NUMBER: row(409, 'ERR', GRPC_FAILED_PRECONDITION, 'no', 'The value, or the amount to add, is not a decimal number.'),
  OVERFLOW: row(409, 'ERR', GRPC_FAILED_PRECONDITION, 'no', 'The sum is not a number that can be stored.'),
  PRECONDITION_FAILED: row(412, 'ERR', GRPC_FAILED_PRECONDITION, 'no', 'The key is not in the state that the request demands.'),
  CROSS_SLOT: row(
    400,
    'CROSSSLOT',
    GRPC_INVALID_ARGUMENT,
    'no',
    'What has to be atomic names keys of several slots; a hash tag brings them into one.',
  ),
  VALUE_TOO_LARGE: row(413, 'ERR', GRPC_INVALID_ARGUMENT, 'no', 'A value is over `maxValueBytes`.'),
  BODY_TOO_LARGE: row(413, 'ERR', GRPC_INVALID_ARGUMENT, 'no', 'The body is over `maxBodyBytes`.'),
  MEDIA_TYPE_UNSUPPORTED: row(415, 'ERR', GRPC_INVALID_ARGUMENT, 'no', 'The route does not read bodies of this content type.'),
  REQUEST_TIMEOUT: row(408, 'ERR', GRPC_INVALID_ARGUMENT, 'no', 'The request did not arrive whole in time.'),
  OUT_OF_MEMORY: row(507, 'OOM', GRPC_RESOURCE_EXHAUSTED, 'no', 'The memory limit is reached and nothing may be evicted.'),
  TRY_AGAIN: row(503, 'TRYAGAIN', GRPC_UNAVAILABLE, 'no', 'No member could answer for the key in time; the request was not executed.'),
  // Words of its own over RESP and gRPC: by those of TRY_AGAIN stock clients would repeat it by themselves.
  OUTCOME_UNKNOWN: row(503, 'OUTCOMEUNKNOWN', GRPC_UNKNOWN, 'maybe', 'The member that executed the request was lost before it answered.'),
  NO_REPLICAS: row(503, 'NOREPLICAS', GRPC_UNAVAILABLE, 'no', 'The acknowledgement asked for cannot be given: no replica can be reached.'),
  NOT_CONFIRMED: row(
    504,
    'NOTCONFIRMED',
    GRPC_DEADLINE_EXCEEDED,
    'yes',
    'It was written, but the replicas asked for did not confirm it in time.',
  ),
  PARTLY_PUBLISHED: row(
    504,
    'PARTIAL',
    GRPC_DEADLINE_EXCEEDED,
    'yes',
    'A message was published, and a member that may have subscribers could not be told of it in time.',
  ),
  MESSAGE_TOO_LARGE: row(
    413,
    'ERR',
    GRPC_RESOURCE_EXHAUSTED,
    'no',
    'A transaction, or what it would answer, is longer than one message between members.',
  ),
  PARTITIONED: row(
    503,
    'CLUSTERDOWN',
    GRPC_UNAVAILABLE,
    'no',
    'A write at a member that sees less than half of the cluster, under `partition=refuse`.',
  ),
  TOO_MANY_CLIENTS: row(503, 'ERR', GRPC_RESOURCE_EXHAUSTED, 'no', 'The face serves `maxClients` connections already; this one is closed.'),
  TOO_MUCH_INPUT: row(
    503,
    'ERR',
    GRPC_RESOURCE_EXHAUSTED,
    'no',
    'Requests of all clients that are not whole are over `maxInputBytes`; the largest of them is refused.',
  ),
  BUSY: row(503, 'TRYAGAIN', GRPC_UNAVAILABLE, 'no', 'Too many requests are waiting for the cluster to settle.'),
  INTERNAL: row(500, 'ERR', GRPC_INTERNAL, 'maybe', 'A defect of the server; its log has the cause.'),
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

export class CacheError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'CacheError'
    this.code = code
  }

  get row(): ErrorRow {
    return ERRORS[this.code]
  }
}

/** The code as HTTP bodies carry it: `key_not_found`. */
export function publicCode(code: ErrorCode): string {
  return code.toLowerCase()
}

function row(http: number, resp: string, grpc: number, touched: 'no' | 'maybe' | 'yes', meaning: string): ErrorRow {
  return { http, resp, grpc, touched, meaning }
}
