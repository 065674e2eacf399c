/** INFO: sections of `name:value` lines, as Redis writes them. */
export type ServerInfo = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Sections are named in lower case; lines before the first section stand under `server`. */
export function parseInfo(text: string): ServerInfo {
  const sections: Record<string, Record<string, string>> = Object.create(null)
  let name = 'server'
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (line.startsWith('#')) name = line.slice(1).trim().toLowerCase()
    else if (colon > 0) {
      sections[name] ??= Object.create(null) as Record<string, string>
      ;(sections[name] as Record<string, string>)[line.slice(0, colon)] = line.slice(colon + 1)
    }
  }
  return sections
}
