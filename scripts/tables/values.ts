/**
 * The chart's values as a table, from the comments in values.yaml: `# --` begins the description of the key below it. The page keeps to a narrow form of YAML,
 * which is all that is read here: maps indented by two spaces, and each described key with its default on its own line. A key that is neither described
 * nor a map of keys that are is an error, as is a description without a key.
 */
import { readFileSync } from 'node:fs'
import { code, table } from './markdown.ts'

const KEY = /^( *)([A-Za-z][A-Za-z0-9]*):(?: (.*))?$/

export interface DescribedValue {
  /** `service.port`. */
  readonly path: string
  readonly fallback: string
  readonly doc: string
}

export function values(): string {
  const rows = describedValues(readFileSync(new URL('../../charts/jackdaw/values.yaml', import.meta.url), 'utf8')).map(
    ({ path, fallback, doc }) => [code(path), code(fallback), `${doc}.`],
  )
  return table(['value', 'default', 'meaning'], rows)
}

/** In the order of the page. Throws for what is not in the form. */
export function describedValues(text: string): readonly DescribedValue[] {
  const found: DescribedValue[] = []
  const above: string[] = []
  let doc: string | null = null
  for (const [i, line] of text.split('\n').entries()) {
    const where = `values.yaml:${i + 1}`
    const comment = /^ *# -- (.+)$/.exec(line)
    if (comment !== null) {
      doc = comment[1] as string
      continue
    }
    const [, indent = '', key, fallback] = KEY.exec(line) ?? []
    if (key === undefined) {
      if (!/^ *(?:#.*)?$/.test(line)) throw new Error(`${where}: neither a comment nor a key: ${line}`)
      if (doc !== null) throw new Error(`${where}: the description above it has no key`)
      continue
    }
    const depth = indent.length / 2
    if (!Number.isInteger(depth) || depth > above.length) throw new Error(`${where}: ${key} is indented by ${indent.length} spaces`)
    above.length = depth
    const path = [...above, key].join('.')
    if ((doc === null) !== (fallback === undefined)) throw new Error(`${where}: ${path} has a description and a default, or neither`)
    if (doc !== null && fallback !== undefined) found.push({ path, fallback, doc })
    else above.push(key)
    doc = null
  }
  return found
}
