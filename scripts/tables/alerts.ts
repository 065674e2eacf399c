/** The alerts of the chart as a table, from charts/jackdaw/alerts.yaml. */
import { readFileSync } from 'node:fs'
import { code, table } from './markdown.ts'

const ALERT =
  /^- alert: Jackdaw(?<name>\w+)\n {2}expr: [\s\S]*?\n {2}for: (?<lasting>\w+)\n {2}labels: \{ severity: (?<severity>\w+) \}\n {2}annotations:\n {4}summary: (?<summary>.+)$/gm

export interface Alert {
  readonly name: string
  readonly severity: string
  /** How long the condition has to hold, such as `5m`. */
  readonly lasting: string
  readonly summary: string
  /** File name of its page in docs/runbooks. */
  readonly page: string
}

export function alerts(): string {
  const rows = describedAlerts().map(({ name, severity, lasting, summary, page }) => [
    `[${code(name)}](runbooks/${page})`,
    severity,
    lasting,
    summary,
  ])
  return table(['alert', 'severity', 'for', 'when'], rows)
}

/** In the order of the page. */
export function describedAlerts(): readonly Alert[] {
  const text = readFileSync(new URL('../../charts/jackdaw/alerts.yaml', import.meta.url), 'utf8')
  const found = [...text.matchAll(ALERT)].map(({ groups: { name = '', severity = '', lasting = '', summary = '' } = {} }) => ({
    name: `Jackdaw${name}`,
    severity,
    lasting,
    summary,
    page: `${name.replace(/(?<=.)(?=[A-Z])/g, '-').toLowerCase()}.md`,
  }))
  const count = text.match(/^- alert:/gm)?.length
  if (found.length !== count) throw new Error(`alerts.yaml has ${count} alerts, of which ${found.length} are in the form that is read here`)
  return found
}
