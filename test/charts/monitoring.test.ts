import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { describedAlerts } from '../../scripts/tables/alerts.ts'
import { describeFaces } from '../../src/face-metrics.ts'
import { SystemClock } from '../../src/lib/clock.ts'
import { describeNode } from '../../src/node-metrics.ts'
import { Metrics } from '../../src/observability/index.ts'

const test = suite('alerts and dashboard')

const root = new URL('../../', import.meta.url)
const text = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const RUNBOOKS = 'docs/runbooks/'

interface Sampled {
  readonly kind: string
  /** Of the samples; `null` for metrics of Node.js, whose labels no description tells. */
  readonly labels: readonly string[] | null
}

/** Every name under which a member shows samples. */
async function sampled(): Promise<ReadonlyMap<string, Sampled>> {
  const nothing = (): never => {
    throw new Error('a description reads no numbers')
  }
  const described = new Metrics('0')
  describeNode(described, new SystemClock(), nothing)
  describeFaces(described, nothing, nothing)
  const found = new Map<string, Sampled>()
  for (const { name, kind, labels } of described.list()) {
    if (kind !== 'histogram') found.set(name, { kind, labels })
    else for (const suffix of ['bucket', 'sum', 'count']) found.set(`${name}_${suffix}`, { kind: 'counter', labels: [...labels, 'le'] })
  }
  const node = new Metrics('0')
  node.observeProcess()
  for (const [, name = '', kind = ''] of (await node.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const names = kind === 'histogram' ? ['bucket', 'sum', 'count'].map((suffix) => `${name}_${suffix}`) : [name]
    for (const each of names) if (!found.has(each)) found.set(each, { kind: kind === 'gauge' ? kind : 'counter', labels: null })
  }
  return found
}

/** Names of metrics in a text with their matchers, and whether a rate is taken. */
function uses(expressions: string): readonly { name: string; matched: readonly string[]; rated: boolean }[] {
  return [...expressions.matchAll(/((?:rate|increase|changes)\()?(jackdaw_[a-z0-9_]+)(?:\{([^}]*)\})?/g)].map(
    ([, rate, name = '', matchers = '']) => ({
      name,
      matched: [...matchers.matchAll(/([a-z_]+)=?[=!]~?"/g)].map(([, label = '']) => label),
      rated: rate !== undefined && rate !== 'changes(',
    }),
  )
}

function dashboardExpressions(): string {
  const dashboard = JSON.parse(text('charts/jackdaw/dashboards/jackdaw.json'))
  const panels = dashboard.panels.flatMap(({ targets = [] }: { targets?: { expr: string }[] }) => targets.map(({ expr }) => expr))
  const variables = dashboard.templating.list.map(({ query }: { query: string | { query: string } }) =>
    typeof query === 'string' ? '' : query.query,
  )
  return [...panels, ...variables, ...dashboard.annotations.list.map(({ expr }: { expr: string }) => expr)].join('\n')
}

const alertExpressions = (): string =>
  text('charts/jackdaw/alerts.yaml')
    .replace(/^ {4}\w+: .*$/gm, '')
    .replaceAll('<selector>', 'namespace="a",pod="b"')

for (const [what, expressions] of [
  ['alert', alertExpressions],
  ['panel', dashboardExpressions],
] as const) {
  test(`every metric in an ${what} exists with the labels that are asked of it, and rates are taken of counters only`, async () => {
    const known = await sampled()
    const used = uses(expressions())
    assert.ok(used.length > 10)
    for (const { name, matched, rated } of used) {
      const metric = known.get(name)
      assert.ok(metric !== undefined, name)
      // `pod` and `namespace` come from whoever scrapes.
      const labels = metric?.labels ?? matched
      for (const label of matched) assert.ok(['pod', 'namespace', ...labels].includes(label), `${name} has no label ${label}`)
      assert.ok(!rated || metric?.kind === 'counter', `${name} is no counter`)
    }
  })
}

test('every alert has a page that is called as it is, and every page an alert', () => {
  const alerts = describedAlerts()
  for (const { name, page } of alerts) {
    assert.ok(existsSync(new URL(RUNBOOKS + page, root)), page)
    assert.match(text(RUNBOOKS + page), new RegExp(`^# ${name}\n`))
  }
  assert.equal(readdirSync(new URL(RUNBOOKS, root)).toSorted(), alerts.map(({ page }) => page).toSorted())
})

test('an alert says how bad it is', () => {
  for (const { name, severity } of describedAlerts()) assert.ok(['critical', 'warning', 'info'].includes(severity), name)
})

test('a panel, as an alert, looks at one release: another of the same namespace would be added to it', () => {
  const { panels, annotations } = JSON.parse(text('charts/jackdaw/dashboards/jackdaw.json'))
  const expressions: string[] = [...panels, annotations].flatMap(({ targets = [], list = [] }) =>
    [...targets, ...list].map(({ expr }: { expr: string }) => expr),
  )
  assert.ok(expressions.length > 30)
  for (const [selector] of expressions.join('\n').matchAll(/\{[^}]*\}/g)) assert.ok(selector.includes('pod=~"$release-[0-9]+"'), selector)
  for (const [name] of expressions.join('\n').matchAll(/jackdaw_[a-z0-9_]+(?!\{|[a-z0-9_])/g))
    assert.unreachable(`${name} is asked of all releases`)
  const alerts = text('charts/jackdaw/alerts.yaml').replace(/^ {4}\w+: .*$|^#.*$/gm, '')
  for (const [selector] of alerts.matchAll(/jackdaw_[a-z0-9_]+(?:\{[^}]*\})?/g)) assert.ok(selector.includes('<selector>'), selector)
})

test('the panel of the errors leaves out what the alert leaves out', () => {
  const routes = (expressions: string) => [...expressions.matchAll(/route!~"([^"]*)"/g)].map(([, route]) => route)
  const { panels } = JSON.parse(text('charts/jackdaw/dashboards/jackdaw.json'))
  const panel = panels.find(({ title }: { title: string }) => title === 'HTTP errors')
  assert.equal(routes(panel.targets[0].expr), routes(alertExpressions()))
  assert.is(routes(alertExpressions()).length, 2)
})

test('no two panels have the same number', () => {
  const { panels } = JSON.parse(text('charts/jackdaw/dashboards/jackdaw.json'))
  assert.is(new Set(panels.map(({ id }: { id: number }) => id)).size, panels.length)
})

test.run()
