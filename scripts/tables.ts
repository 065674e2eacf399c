/**
 * `npm run tables`: the tables in docs/ that repeat what the code says (options, metrics, errors, commands, routes), and those that repeat what the chart says (values,
 * alerts), are written from there, each between a pair of `<!-- table: name -->` and `<!-- end -->`. `--check` writes nothing and fails where a table is another text.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { tables } from './tables/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const FILES = ['docs/operations.md', 'docs/protocol.md', 'charts/jackdaw/README.md'] as const
const TABLE = /(<!-- table: ([a-z-]+) -->\n)[\s\S]*?(<!-- end -->)/g

const check = process.argv[2] === '--check'
const rendered = tables()
const used = new Set<string>()

for (const file of FILES) {
  const path = `${root}/${file}`
  const text = readFileSync(path, 'utf8')
  const now = text.replace(TABLE, (_all, begin: string, name: string, end: string) => {
    const table = rendered[name]
    if (table === undefined) throw new Error(`${file} asks for a table called ${name}, which there is not`)
    used.add(name)
    return `${begin}${table}${end}`
  })
  if (now === text) continue
  if (check) {
    console.error(`${file} is not what the code says: npm run tables`)
    process.exitCode = 1
  } else {
    writeFileSync(path, now)
  }
}
for (const name of Object.keys(rendered)) {
  if (used.has(name)) continue
  console.error(`no page has the table ${name}`)
  process.exitCode = 1
}
