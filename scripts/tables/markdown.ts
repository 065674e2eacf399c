/** A table of Markdown: a head and rows of cells, in which a pipe is escaped. Ends with a line feed. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('')
}

export function code(text: string): string {
  return `\`${text}\``
}
