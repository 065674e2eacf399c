/**
 * The report: what was measured, as Markdown, and its place in a page between two markers.
 */

export interface Section {
  readonly title: string
  /** What was done, so that somebody else can do it. */
  readonly text: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** What is left out and why. */
  readonly notes: readonly string[]
}

const NOTHING = '-'

export function sectionText({ title, text, head, rows, notes }: Section): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const table = [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')
  return [`### ${title}`, text, table, ...notes].join('\n\n')
}

/** The page with `content` in place of what stood between the markers of a part of it. Throws unless each stands there once, in order. */
export function withReport(page: string, part: string, content: string): string {
  const [beginMark, endMark] = [`<!-- ${part}: begin -->`, `<!-- ${part}: end -->`]
  const begin = page.split(beginMark)
  const end = page.split(endMark)
  const [before] = begin
  const [, after] = end
  if (
    begin.length !== 2 ||
    end.length !== 2 ||
    before === undefined ||
    after === undefined ||
    page.indexOf(beginMark) > page.indexOf(endMark)
  )
    throw new Error(`the page needs ${beginMark} and ${endMark}, each once`)
  return `${before}${beginMark}\n\n${content.trim()}\n\n${endMark}${after}`
}

/** `84.2 k`, `743 k`. */
export function thousands(perSecond: number | null): string {
  if (perSecond === null) return NOTHING
  return `${(perSecond / 1_000).toFixed(perSecond < 100_000 ? 1 : 0)} k`
}

export function decimals(figure: number | null, digits: number): string {
  return figure === null ? NOTHING : figure.toFixed(digits)
}

/** `1.04 (0.98-1.10)`: the median, then the least and the most of the rounds. */
export function ratioText(ratio: { readonly median: number; readonly least: number; readonly most: number } | null): string {
  if (ratio === null) return NOTHING
  return `${ratio.median.toFixed(2)} (${ratio.least.toFixed(2)}-${ratio.most.toFixed(2)})`
}
