/**
 * The cluster: who is there and how they are, `GET /cluster`; joining others, `POST /register`; leaving for good, `DELETE /register/{address}`.
 */
import { CacheError } from '../../lib/errors.ts'
import type { Exchange } from './exchange.ts'
import { JSON_BODY_TYPES, JSON_FORM, JSON_TYPE } from './media-type.ts'
import type { Parameter, Schema } from './parameter.ts'
import { BODY_ERRORS, type Route, type RouteParts } from './route.ts'

/** A host name of 253 characters, and a port. */
const MAX_ADDRESS_BYTES = 260
const ADDRESS_EXAMPLE = '10.0.0.8:7946'

const ADDRESS_SCHEMA: Schema = { type: 'string', minLength: 1, maxLength: MAX_ADDRESS_BYTES }

const RANGES: Parameter<boolean> = {
  name: 'ranges',
  in: 'query',
  description: 'True: tell the ranges of slots that each member serves.',
  schema: { type: 'boolean', default: false },
  error: 'QUERY_INVALID',
  parse: (text) => {
    if (text !== 'true' && text !== 'false') throw new CacheError('QUERY_INVALID', 'ranges must be true or false')
    return text === 'true'
  },
}

/** The rest of the path. */
const ADDRESS: Parameter<never> = {
  name: 'address',
  in: 'path',
  description: 'The name of a member, or `host:port` of one of its ports, of its gossip above all.',
  schema: ADDRESS_SCHEMA,
  example: ADDRESS_EXAMPLE,
  error: 'KEY_INVALID',
  parse: () => {
    throw new TypeError('addresses are read from the path')
  },
}

const REPORT_EXAMPLE = {
  seenBy: 'jackdaw-0',
  version: 12,
  slots: 16_384,
  unservedSlots: 0,
  uncopiedSlots: 0,
  members: [
    {
      name: 'jackdaw-0',
      state: 'alive',
      leaving: false,
      zone: '',
      generation: 1_767_225_600_000,
      incarnation: 3,
      tableVersion: 5,
      addresses: {
        gossip: '10.0.0.7:7946',
        peer: '10.0.0.7:7947',
        http: '10.0.0.7:8080',
        resp: '10.0.0.7:6379',
        cluster: '10.0.0.7:6380',
        text: '10.0.0.7:31337',
        grpc: '10.0.0.7:50051',
      },
      slots: 5437,
      weakSlots: 0,
      figures: {
        ready: true,
        primarySlots: 5437,
        completeSlots: 11_167,
        entries: 40_000,
        bytes: 9_000_000,
        maxBytes: 1_073_741_824,
        digest: '1f0c55a2039be417',
        followers: [{ name: 'jackdaw-1', lagMs: 0, backlogBytes: 0, incompleteSlots: 0 }],
        lost: { conflict: 0, stop: 0, discarded: 0, atLeast: 0, atMost: 12, windowMs: 1800 },
      },
    },
  ],
}

const JOINING_SCHEMA: Schema = {
  type: 'object',
  required: ['address', 'state'],
  properties: { address: ADDRESS_SCHEMA, state: { type: 'string', enum: ['member', 'asked'] } },
}
const LEAVING_SCHEMA: Schema = {
  type: 'object',
  required: ['member', 'state'],
  properties: { member: { type: ['string', 'null'] }, state: { type: 'string', enum: ['leaving', 'forgotten'] } },
}

export function clusterRoutes(parts: RouteParts): Route[] {
  return [
    {
      method: 'GET',
      path: '/cluster',
      operationId: 'cluster',
      tag: 'cluster',
      summary: 'The members as this one sees them: states, addresses, slots, replication, digests',
      description:
        'Every live member is asked for its `figures`, a second at most; they are `null` for one that does not answer. `uncopiedSlots` have no complete copy beside their holder. `lost` is the ledger of lost writes: exact by reason, and bounds for primaries that died.',
      parameters: [RANGES],
      answers: [
        { status: 200, description: 'The members.', contents: [{ type: JSON_FORM, schema: { type: 'object' }, example: REPORT_EXAMPLE }] },
      ],
      errors: [],
      handle: (exchange) => report(parts, exchange),
    },
    {
      method: 'POST',
      path: '/register',
      operationId: 'register',
      tag: 'cluster',
      summary: 'Joins the members that are found at an address',
      description: 'The address is asked from now on, until it is met or unregistered; a restart of this member forgets it.',
      parameters: [],
      body: {
        description: '`host:port` of the gossip of any member.',
        types: JSON_BODY_TYPES,
        required: true,
        schema: { type: 'object', required: ['address'], properties: { address: ADDRESS_SCHEMA } },
        example: { address: ADDRESS_EXAMPLE },
      },
      answers: [
        {
          status: 200,
          description: 'A member with this address is there already.',
          contents: [{ type: JSON_FORM, schema: JOINING_SCHEMA, example: { address: ADDRESS_EXAMPLE, state: 'member' } }],
        },
        {
          status: 202,
          description: 'It is being asked.',
          contents: [{ type: JSON_FORM, schema: JOINING_SCHEMA, example: { address: ADDRESS_EXAMPLE, state: 'asked' } }],
        },
      ],
      errors: BODY_ERRORS,
      handle: (exchange, body) => register(parts, exchange, body),
    },
    {
      method: 'DELETE',
      path: '/register/{address}',
      operationId: 'unregister',
      tag: 'cluster',
      summary: 'Has a member leave for good',
      description:
        'It hands over all it holds and is given nothing more; it answers, by way of the others, until it is stopped. Started again it joins again.',
      parameters: [ADDRESS],
      answers: [
        {
          status: 202,
          description: 'It is leaving; or it was an address that is asked no longer, and `member` is `null`.',
          contents: [{ type: JSON_FORM, schema: LEAVING_SCHEMA, example: { member: 'jackdaw-2', state: 'leaving' } }],
        },
      ],
      errors: ['MEMBER_NOT_FOUND', 'TRY_AGAIN'],
      handle: (exchange) => unregister(parts, exchange),
    },
  ]
}

function report({ cache }: RouteParts, exchange: Exchange): void {
  cache.topology.report(exchange.parameter(RANGES) ?? false, (told) => exchange.send(200, JSON_TYPE, JSON.stringify(told)))
}

function register({ cache }: RouteParts, exchange: Exchange, body: Buffer): void {
  const address = readAddress(body)
  const joining = cache.topology.join(address)
  if (joining === 'malformed') throw new CacheError('BODY_INVALID', 'address must be host:port')
  const met = joining === 'met'
  exchange.send(met ? 200 : 202, JSON_TYPE, JSON.stringify({ address, state: met ? 'member' : 'asked' }))
}

function unregister({ cache }: RouteParts, exchange: Exchange): void {
  cache.topology.retire(exchange.key(MAX_ADDRESS_BYTES).toString(), (error, member) => {
    if (error !== null) exchange.fail(error)
    else exchange.send(202, JSON_TYPE, JSON.stringify({ member, state: member === null ? 'forgotten' : 'leaving' }))
  })
}

function readAddress(body: Buffer): string {
  let parsed: unknown
  try {
    parsed = JSON.parse(body.toString())
  } catch (cause) {
    throw new CacheError('BODY_INVALID', 'the body is not JSON', { cause })
  }
  const address = typeof parsed === 'object' && parsed !== null && 'address' in parsed ? parsed.address : null
  if (typeof address !== 'string' || address.length > MAX_ADDRESS_BYTES)
    throw new CacheError('BODY_INVALID', 'send {"address":"host:port"}')
  return address
}
