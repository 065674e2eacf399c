/**
 * Rewrites: what a simulation changes in the product before it is loaded. Each replaces one exact snippet of one file under `src/`; one that is not
 * found there exactly once is refused, so that none goes on doing nothing after the file has changed. They reach the modules that are imported after
 * `rewrite` was called: whoever calls it imports the rest with `await import()`.
 *
 * Modules whose address ends with `?version=next`, and all that they import from `src/`, are a second program beside the first, with rewrites of its
 * own: two versions of the product in one process.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

export interface Rewrite {
  /** Under `src/`. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

const SOURCE = new URL('../../../src/', import.meta.url).href
const NEXT = '?version=next'

/** Enough that every member has its share, and few enough that a run takes tenths of a second. */
export const FEW_SLOTS = 256

/**
 * Fewer slots than the product has. Most of what a node does in a run of some seconds is to look through its slots, and a smaller number of them makes
 * the same decisions: all else is as it is.
 */
export function fewerSlots(slots: number): Rewrite {
  return { file: 'lib/slot.ts', find: 'SLOT_COUNT = 16_384', replace: `SLOT_COUNT = ${slots}` }
}

/** From now on modules are loaded with these rewrites. Throws for one whose snippet does not stand in its file exactly once. */
export function rewrite(rewrites: readonly Rewrite[], program: 'this' | 'next' = 'this'): void {
  const files = new Map<string, Rewrite[]>()
  for (const one of rewrites) files.set(one.file, [...(files.get(one.file) ?? []), one])
  const sources = new Map([...files].map(([file, list]) => [sourceUrl(file, program), rewritten(file, list)]))
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const resolved = nextResolve(specifier, context)
      // Another call of `rewrite` may have seen to it.
      if (!context.parentURL?.endsWith(NEXT) || !resolved.url.startsWith(SOURCE) || resolved.url.endsWith(NEXT)) return resolved
      return { ...resolved, url: `${resolved.url}${NEXT}` }
    },
    load(url, context, nextLoad) {
      const source = sources.get(url)
      return source === undefined ? nextLoad(url, context) : { format: 'module-typescript', source, shortCircuit: true }
    },
  })
}

function sourceUrl(file: string, program: 'this' | 'next'): string {
  return `${SOURCE}${file}${program === 'next' ? NEXT : ''}`
}

function rewritten(file: string, rewrites: readonly Rewrite[]): string {
  let source = readFileSync(fileURLToPath(`${SOURCE}${file}`), 'utf8')
  for (const { find, replace } of rewrites) {
    const found = source.split(find).length - 1
    if (found !== 1) throw new Error(`${file}: a rewrite looks for one ${JSON.stringify(find)}, and there are ${found}`)
    source = source.replace(find, () => replace)
  }
  return source
}
