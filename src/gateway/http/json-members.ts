/**
 * JSON members: one JSON object of a request body whose members are known by name, as where their values stand.
 *
 * The schema that the OpenAPI document shows is the one that decides which members there are and must be; others, and one twice, are refused.
 */
import { isUtf8 } from 'node:buffer'
import { CacheError } from '../../lib/errors.ts'
import { CLOSE_BRACE, COLON, COMMA, JsonScanner, OPEN_BRACE, QUOTE } from '../../lib/json-scanner.ts'
import type { Schema } from './parameter.ts'

/** An object that has all of `required` and nothing but `properties`. */
export interface ObjectSchema extends Schema {
  readonly type: 'object'
  readonly required: readonly string[]
  readonly properties: Readonly<Record<string, Schema>>
  readonly additionalProperties: false
}

/** Scanners that stand before each value, by name. Throws `CacheError` BODY_INVALID. */
export function readMembers(body: Buffer, schema: ObjectSchema): ReadonlyMap<string, JsonScanner> {
  if (!isUtf8(body)) throw new CacheError('BODY_INVALID', 'the body is not valid UTF-8')
  const members = new Map<string, JsonScanner>()
  const scanner = new JsonScanner(body)
  scanner.expect(OPEN_BRACE, 'the object')
  if (!scanner.take(CLOSE_BRACE)) {
    do {
      const name = readName(scanner, schema)
      if (members.has(name)) throw scanner.error(`the member ${JSON.stringify(name)} is given twice, the second time`)
      scanner.expect(COLON, 'a colon')
      scanner.peek()
      members.set(name, new JsonScanner(body, scanner.at))
      scanner.value(2)
    } while (scanner.take(COMMA))
    scanner.expect(CLOSE_BRACE, 'the end of the object')
  }
  if (scanner.peek() !== -1) throw scanner.error('something follows the object')
  for (const name of schema.required) {
    if (!members.has(name)) throw new CacheError('BODY_INVALID', `the body has no member ${JSON.stringify(name)}`)
  }
  return members
}

/** The text of a value that must be a string. */
export function readText(scanner: JsonScanner, name: string): Buffer {
  if (scanner.peek() !== QUOTE) throw scanner.error(`${JSON.stringify(name)} must be a string, which it is not`)
  scanner.string(name)
  return scanner.text()
}

/** Names that are longer than every way to escape a known one are not copied into the message, whatever they hold. */
function readName(scanner: JsonScanner, { properties }: ObjectSchema): string {
  scanner.string('a member name')
  const names = Object.keys(properties)
  const longest = Math.max(...names.map((name) => name.length * 6))
  const name = scanner.stringEnd - scanner.stringStart <= longest ? scanner.text().toString() : ''
  if (!names.includes(name)) throw scanner.error(`the members are ${names.join(' and ')}, and another stands`)
  return name
}
