/** All tables by name, as the documentation has them. Each ends with a line feed. */
import { type AnyOptionRow, envOf, flagOf, OPTION_NAMES, OPTION_TABLE } from '../../src/config/option-table.ts'
import { defaultText } from '../../src/config/options.ts'
import { describe } from '../../src/config/value-type.ts'
import { describeFaces } from '../../src/face-metrics.ts'
import { routeTable } from '../../src/gateway/http/index.ts'
import { COMMANDS } from '../../src/gateway/resp/index.ts'
import { SystemClock } from '../../src/lib/clock.ts'
import { ERRORS, type ErrorCode, type ErrorRow, publicCode } from '../../src/lib/errors.ts'
import { describeNode } from '../../src/node-metrics.ts'
import { Metrics } from '../../src/observability/index.ts'
import { alerts } from './alerts.ts'
import { code, table } from './markdown.ts'
import { values } from './values.ts'

export function tables(): Readonly<Record<string, string>> {
  return {
    options: options(),
    errors: errors(),
    metrics: metrics(),
    commands: commands(),
    routes: routes(),
    values: values(),
    alerts: alerts(),
  }
}

function options(): string {
  const rows = OPTION_NAMES.map((name) => {
    const row: AnyOptionRow = OPTION_TABLE[name]
    const effects = [row.higher === undefined ? '' : ` Higher: ${row.higher}.`, row.lower === undefined ? '' : ` Lower: ${row.lower}.`]
    return [`${code(flagOf(name))}<br>${code(envOf(name))}`, describe(row.type), defaultText(row), `${row.doc}${effects.join('')}`]
  })
  return table(['option', 'takes', 'default', 'meaning'], rows)
}

const GRPC_NAMES: Readonly<Record<number, string>> = {
  2: 'UNKNOWN',
  3: 'INVALID_ARGUMENT',
  4: 'DEADLINE_EXCEEDED',
  5: 'NOT_FOUND',
  7: 'PERMISSION_DENIED',
  8: 'RESOURCE_EXHAUSTED',
  9: 'FAILED_PRECONDITION',
  12: 'UNIMPLEMENTED',
  13: 'INTERNAL',
  14: 'UNAVAILABLE',
}

const CHANGED: Readonly<Record<ErrorRow['touched'], string>> = { no: 'nothing', maybe: 'maybe', yes: 'yes' }

function errors(): string {
  const rows = Object.entries(ERRORS).map(([name, row]: [string, ErrorRow]) => [
    code(publicCode(name as ErrorCode)),
    String(row.http),
    code(row.resp),
    GRPC_NAMES[row.grpc] ?? String(row.grpc),
    CHANGED[row.touched],
    row.meaning,
  ])
  return table(['code', 'HTTP', 'RESP', 'gRPC', 'changed', 'meaning'], rows)
}

/** Nothing is read: the numbers behind the metrics are asked for at a scrape only. */
function metrics(): string {
  const described = new Metrics('0')
  const nothing = (): never => {
    throw new Error('a description reads no numbers')
  }
  describeNode(described, new SystemClock(), nothing)
  describeFaces(described, nothing, nothing)
  const rows = described
    .list()
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, kind, labels, help }) => [code(name), kind, labels.map(code).join(', '), help])
  return table(['metric', 'kind', 'labels', 'meaning'], rows)
}

function commands(): string {
  const rows = COMMANDS.flatMap((row) => {
    const { action } = row
    if (action.kind !== 'container') return [[code(`${row.name} ${row.syntax}`.trim()), row.group, row.summary]]
    return action.subcommands
      .filter(({ name }) => name !== 'HELP')
      .map((sub) => [code(`${row.name} ${sub.name} ${sub.syntax}`.trim()), row.group, sub.summary])
  })
  return table(['command', 'group', 'what it does'], rows)
}

function routes(): string {
  const rows = routeTable().flatMap(({ path, methods }) =>
    [...methods.values()].map((route) => {
      const answers = route.answers.map(({ status, description }) => `${status}: ${description}`).join('; ')
      const parameters = route.parameters.map(({ name }) => code(name)).join(', ')
      return [code(`${route.method} ${path}`), route.summary, parameters, answers]
    }),
  )
  return table(['request', 'what it does', 'parameters', 'answers'], rows)
}
