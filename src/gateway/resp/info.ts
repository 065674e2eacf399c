/**
 * INFO: sections of `name:value` lines, and which of them a client has asked for.
 */
import type { InfoSection } from './session.ts'

/** Only told when asked for by name, or with everything. */
const NOT_BY_DEFAULT: ReadonlySet<string> = new Set(['commandstats'])
const EVERYTHING: ReadonlySet<string> = new Set(['all', 'everything'])

/** `wanted` in lower case; empty for what is told by default. */
export function infoText(sections: readonly InfoSection[], wanted: readonly string[]): string {
  const names = new Set(wanted)
  const all = wanted.some((name) => EVERYTHING.has(name))
  const byDefault = wanted.length === 0 || names.has('default')
  return sections
    .filter(({ name }) => {
      const lower = name.toLowerCase()
      return all || names.has(lower) || (byDefault && !NOT_BY_DEFAULT.has(lower))
    })
    .map(({ name, fields }) => `# ${name}\r\n${fields.map(([field, value]) => `${field}:${value}\r\n`).join('')}`)
    .join('\r\n')
}

/** Sections of the same name become one, with the fields of both; where both have a field, the later one's value. In the order of first mention. */
export function mergeSections(...lists: readonly (readonly InfoSection[])[]): readonly InfoSection[] {
  const merged = new Map<string, Map<string, string | number>>()
  for (const { name, fields } of lists.flat()) {
    const known = merged.get(name) ?? new Map<string, string | number>()
    for (const [field, value] of fields) known.set(field, value)
    merged.set(name, known)
  }
  return [...merged].map(([name, fields]) => ({ name, fields: [...fields] }))
}
