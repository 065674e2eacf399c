import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { describedValues } from '../../scripts/tables/values.ts'
import { type AnyOptionRow, envOf, flagOf, OPTION_NAMES, OPTION_TABLE, type Options } from '../../src/config/option-table.ts'
import { readOptions } from '../../src/config/options.ts'
import { formatSize } from '../../src/config/value-type.ts'

const test = suite('the values of the chart')

interface Schema {
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
}

const page = (name: string): string => readFileSync(new URL(`../../charts/jackdaw/${name}`, import.meta.url), 'utf8')
/** What a template of `_validate-server.tpl` defines. */
function section(name: string): string {
  const found = new RegExp(`define "jackdaw\\.${name}" -}}\\n([^{]*(?:\\{ [^{]*)*)\\{\\{- end`).exec(page('templates/_validate-server.tpl'))
  return found?.[1] ?? ''
}
const schema: Schema = JSON.parse(page('values.schema.json'))

/** Options that are the chart's own business, or the owner's of the pod by `extraArgs` and `extraEnv`: fixed ports, seeds, and what only tests want. */
const LEFT_OUT: readonly (keyof Options)[] = [
  'host',
  'httpPort',
  'respPort',
  'clusterPort',
  'textPort',
  'grpcPort',
  'gossipPort',
  'peerPort',
  'adminPort',
  'gossipKeys',
  'seeds',
  'debugCommands',
]

/** Values with a name and bounds of their own, and the option that each becomes. */
const RENAMED: Readonly<Record<string, keyof Options>> = {
  replicas: 'replicas',
  maxMemoryBytes: 'maxMemoryBytes',
  logLevel: 'logLevel',
  'stop.drainMs': 'drainMs',
  'stop.timeoutMs': 'stopTimeoutMs',
}

function schemaAt(path: string): Schema | undefined {
  return path.split('.').reduce<Schema | undefined>((at, key) => at?.properties?.[key], schema)
}

/** Paths of the schema that have no properties below them. */
function leaves(at: Schema, path: string): string[] {
  if (at.properties === undefined) return [path]
  return Object.entries(at.properties).flatMap(([key, below]) => leaves(below, path === '' ? key : `${path}.${key}`))
}

/** What the schema allows, in the words of the table. */
function boundsOf({ anyOf = [], ...plain }: Schema): unknown {
  const numeric = [plain, ...anyOf].find(({ minimum }) => minimum !== undefined)
  return plain.enum ?? { min: numeric?.minimum, max: numeric?.maximum }
}

function bounds(option: keyof Options): unknown {
  const { type }: AnyOptionRow = OPTION_TABLE[option]
  if (type.kind === 'choice') return type.values
  assert.ok(type.kind === 'integer' || type.kind === 'size', option)
  return { min: type.min, max: type.max }
}

test('every value is described, and every described one is in the schema', () => {
  const described = describedValues(page('values.yaml')).map(({ path }) => path)
  const all = leaves(schema, '')
  // A leaf may be a map that may hold anything, such as requests and limits.
  for (const path of described) assert.ok(schemaAt(path) !== undefined || all.some((leaf) => path.startsWith(`${leaf}.`)), path)
  const expected = all.filter((path) => !/^(?:global|options)\./.test(path))
  const missing = expected.filter((path) => !described.some((other) => path === other || path.startsWith(`${other}.`)))
  // Of maps that may hold anything, the described defaults stand for the whole.
  assert.equal(
    missing.filter((path) => !described.some((other) => other.startsWith(`${path}.`))),
    [],
  )
})

test('an option has the bounds of the table, whether it has a value of its own or is one of the further ones', () => {
  for (const [path, option] of Object.entries(RENAMED)) {
    assert.equal(boundsOf(schemaAt(path) as Schema), bounds(option), path)
  }
  const further = Object.entries(schemaAt('options')?.properties ?? {})
  assert.ok(further.length > 0)
  for (const [name, allowed] of further) assert.equal(boundsOf(allowed), bounds(name as keyof Options), name)
})

test('every option is set by the chart, offered by it, or left out on purpose', () => {
  const set = [...page('templates/_environment.tpl').matchAll(/- name: (JACKDAW_[A-Z_]+)$/gm)].map(([, name]) => name)
  const offered = Object.keys(schemaAt('options')?.properties ?? {})
  const placed = (name: keyof Options) =>
    [set.includes(envOf(name)), offered.includes(name), LEFT_OUT.includes(name)].filter(Boolean).length
  assert.equal(
    OPTION_NAMES.filter((name) => placed(name) !== 1),
    [],
  )
  assert.is(set.length + offered.length + LEFT_OUT.length, OPTION_NAMES.length)
})

test('a size has the bounds of the table in the sentence that refuses it, and the default that others are compared with', () => {
  const rows = [...section('sizes').matchAll(/^(\w+): \{ least: (\w+), most: (\w+)(?:, fallback: (\w+))? \}$/gm)]
  const sizes = OPTION_NAMES.filter((name) => (OPTION_TABLE[name] as AnyOptionRow).type.kind === 'size')
  assert.equal(
    rows.map(([, name]) => name),
    sizes,
  )
  for (const [, name = '', least, most, fallback] of rows) {
    const row: AnyOptionRow = OPTION_TABLE[name as keyof Options]
    assert.ok(row.type.kind === 'size')
    assert.equal([least, most], [formatSize(row.type.min), formatSize(row.type.max)], name)
    assert.is(fallback, typeof row.fallback === 'number' ? formatSize(row.fallback) : undefined, name)
  }
})

test("an argument or variable is led to the value that sets it, or is the chart's own, or free", () => {
  const led = new Map([...section('settings').matchAll(/^([a-z-]+): (.+)$/gm)].map(([, flag = '', value = '']) => [`--${flag}`, value]))
  const forms = new Map([...section('freeSettings').matchAll(/^([a-z-]+): (.+)$/gm)].map(([, flag = '', form = '']) => [`--${flag}`, form]))
  const free = [...forms.keys()]
  assert.equal([...led.keys(), ...free].toSorted(), OPTION_NAMES.map(flagOf).toSorted())
  for (const name of OPTION_NAMES.filter((each) => forms.has(flagOf(each)))) {
    const { type }: AnyOptionRow = OPTION_TABLE[name]
    assert.is(forms.get(flagOf(name)), type.kind === 'choice' ? type.values.join('|') : type.kind, name)
  }
  for (const [flag, value] of led) if (value !== '""') assert.ok(schemaAt(value) !== undefined, `${flag}: ${value}`)
  for (const name of Object.keys(schemaAt('options')?.properties ?? {})) {
    assert.is(led.get(flagOf(name as keyof Options)), `options.${name}`)
  }
})

test('a stop that the chart takes is one that the server takes, and it asks for no more after draining than the server does', () => {
  const [, afterDraining] = /\(add (\d+) \(int \$stop\.drainMs\)\)/.exec(page('templates/_validate.tpl')) ?? []
  const machine = { hostname: 'jackdaw-0', addresses: ['10.0.0.7'], memoryLimitBytes: null, cpuLimit: null }
  const stop = (stopTimeoutMs: number) => () => readOptions(['--drain-ms=20000', `--stop-timeout-ms=${stopTimeoutMs}`], {}, machine)
  const least = 20_000 + Number(afterDraining)
  assert.is(stop(least)().stopTimeoutMs, least)
  assert.throws(stop(least - 1), /stopTimeoutMs/)
})

test('the description of the further options names each of them', () => {
  const doc = describedValues(page('values.yaml')).find(({ path }) => path === 'options')?.doc ?? ''
  for (const name of Object.keys(schemaAt('options')?.properties ?? {})) assert.ok(doc.includes(name), name)
})

test('a page that is not in the form is refused', () => {
  assert.throws(() => describedValues('a: 1\n'), /a has a description and a default, or neither/)
  assert.throws(() => describedValues('# -- One\n\nb: 2\n'), /the description above it has no key/)
  assert.throws(() => describedValues('# -- One\na:\n'), /a has a description and a default, or neither/)
  assert.throws(() => describedValues('- a\n'), /neither a comment nor a key/)
  assert.equal(describedValues('# Of two.\na:\n  # -- One\n  b: 1\n'), [{ path: 'a.b', fallback: '1', doc: 'One' }])
})

test.run()
