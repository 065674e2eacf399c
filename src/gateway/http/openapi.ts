/**
 * OpenAPI: the document at `/openapi.json` (version 3.1.0), made of the rows that the server is made of: see route.ts.
 */

import { ERRORS, type ErrorCode, publicCode } from '../../lib/errors.ts'
import { JSON_FORM } from './media-type.ts'
import type { Parameter, Schema } from './parameter.ts'
import type { Content, Route, RouteAnswer } from './route.ts'

const TAGS: readonly { readonly name: string; readonly description: string }[] = [
  { name: 'pairs', description: 'Keys with JSON values.' },
  { name: 'texts', description: 'Keys with plain bytes, and versions as entity tags.' },
  { name: 'keys', description: 'One key and its value as members of an object.' },
  { name: 'base64', description: 'The same with bytes in base64.' },
  { name: 'probes', description: 'Is it alive, is it ready?' },
  { name: 'cluster', description: 'Who is there, who serves what, who joins and who leaves.' },
  { name: 'documents', description: 'What you are reading.' },
]

const DESCRIPTION = `A replicated in-memory cache: every member answers every key.

A key is 1 or more bytes of UTF-8. A value is a string or JSON, and what one route wrote every other reads. What is refused has changed nothing, unless the error says otherwise: \`POST /set\` can stop in the middle, and then names what it did not set.
Every GET answers HEAD as well, and every path OPTIONS. Errors are \`{"error":{"code","message"}}\`.`

/** Whatever the route: these are found before it is. */
const EVERY_ROUTE: readonly ErrorCode[] = ['REQUEST_INVALID']
const EVERY_CHANGE: readonly ErrorCode[] = [...EVERY_ROUTE, 'FORBIDDEN']

const SCHEMAS: Readonly<Record<string, Schema>> = {
  Json: {
    description: 'Any JSON value. `{"$base64":"..."}`, and nothing else in it, is a string of bytes.',
    examples: [1, 'three', { a: [1, 2] }, { $base64: '/wD+' }],
  },
  Pairs: { type: 'object', description: 'Keys and values.', additionalProperties: { $ref: '#/components/schemas/Json' } },
  Error: {
    type: 'object',
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['code', 'message'],
        properties: {
          code: { type: 'string', enum: (Object.keys(ERRORS) as ErrorCode[]).map(publicCode) },
          message: { type: 'string' },
        },
      },
      set: { type: 'integer', description: 'Of `POST /set`: how many pairs were set all the same.' },
      failed: { type: 'array', items: { type: 'string' }, description: 'Of `POST /set`: the keys that were not, or not as `ack` asks.' },
      unconfirmed: {
        type: 'array',
        items: { type: 'string' },
        description: 'Of `POST /set`: those of `failed` that are written, and were not confirmed in time. Left out when there are none.',
      },
    },
  },
}

/** The document as text. */
export function openApiText(routes: readonly Route[], version: string): string {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = paths[route.path] ?? {}
    paths[route.path] = path
    path[route.method.toLowerCase()] = operationOf(route)
    if (route.method === 'GET') path['head'] = headOf(route)
  }
  return JSON.stringify({
    openapi: '3.1.0',
    info: { title: 'Jackdaw', version, description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    tags: TAGS,
    paths,
    components: { schemas: SCHEMAS },
  })
}

function operationOf(route: Route): Record<string, unknown> {
  const { operationId, tag, summary, description, parameters, body } = route
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters.length === 0 ? {} : { parameters: parameters.map(parameterOf) }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            description: body.description,
            required: body.required,
            content: Object.fromEntries(body.types.map((type) => [type, { schema: body.schema, example: body.example }])),
          },
        }),
    responses: responsesOf(route),
  }
}

/** The same answers without their bodies. */
function headOf(route: Route): Record<string, unknown> {
  const operation = operationOf(route)
  const responses = Object.entries(operation['responses'] as Record<string, { description: string; headers?: unknown }>)
  return {
    ...operation,
    operationId: `${route.operationId}Head`,
    summary: `The head of the answer to GET: ${route.summary.charAt(0).toLowerCase()}${route.summary.slice(1)}`,
    responses: Object.fromEntries(
      responses.map(([status, { description, headers }]) => [status, headers === undefined ? { description } : { description, headers }]),
    ),
  }
}

function parameterOf({ name, in: place, description, schema, example }: Parameter<unknown>): Record<string, unknown> {
  const shown = example === undefined ? {} : { example }
  return { name, in: place, required: place === 'path', description, schema, ...shown }
}

function responsesOf(route: Route): Record<string, unknown> {
  const responses: Record<string, unknown> = {}
  for (const answer of route.answers) responses[answer.status] = answerOf(answer)
  for (const [status, codes] of errorsOf(route)) {
    const meant = responses[status] as { description: string } | undefined
    const meanings = codes.map((code) => `\`${publicCode(code)}\`: ${ERRORS[code].meaning}`).join(' ')
    responses[status] ??= { description: meanings, content: { [JSON_FORM]: errorContentOf(codes) } }
    if (meant !== undefined) meant.description += ` ${meanings}`
  }
  return responses
}

function answerOf({ description, contents, headers }: RouteAnswer): Record<string, unknown> {
  return {
    description,
    ...(contents.length === 0 ? {} : { content: Object.fromEntries(contents.map((content) => [content.type, contentOf(content)])) }),
    ...(headers === undefined
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, says]) => [name, { description: says, schema: { type: 'string' } }]),
          ),
        }),
  }
}

function contentOf({ schema, example }: Content): Record<string, unknown> {
  return example === undefined ? { schema } : { schema, example }
}

function errorsOf(route: Route): Map<number, ErrorCode[]> {
  const codes = new Set([
    ...(route.method === 'GET' ? EVERY_ROUTE : EVERY_CHANGE),
    ...route.parameters.map(({ error }) => error),
    ...route.errors,
  ])
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of codes) {
    const status = ERRORS[code].http
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return byStatus
}

function errorContentOf(codes: readonly ErrorCode[]): Record<string, unknown> {
  const examples = codes.map((code) => [publicCode(code), { value: { error: { code: publicCode(code), message: ERRORS[code].meaning } } }])
  return { schema: { $ref: '#/components/schemas/Error' }, examples: Object.fromEntries(examples) }
}
