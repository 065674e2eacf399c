/**
 * Entity tags: versions as HTTP has them (RFC 9110, 8.8.3 and 13.1). The tag of a value is its version, `"ms-counter-writer"`, and strong: two
 * values with one version have the same bytes.
 */
import { CacheError } from '../../lib/errors.ts'
import { formatStamp, type Version } from '../../lib/version.ts'

/** What `If-Match` and `If-None-Match` name. */
export interface EntityTags {
  /** `*`: any value at all. */
  readonly any: boolean
  /** With their quotes, without `W/`. */
  readonly strong: ReadonlySet<string>
  readonly weak: ReadonlySet<string>
}

const ONE_TAG = /[ \t]*(W\/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(,|$)/y

export function formatEntityTag(version: Version): string {
  return `"${formatStamp(version)}-${version.writer}"`
}

/** `header` is for the message. Throws `CacheError` REQUEST_INVALID for what is neither `*` nor a list of tags. */
export function parseEntityTags(header: string, text: string): EntityTags {
  const strong = new Set<string>()
  const weak = new Set<string>()
  if (text.trim() === '*') return { any: true, strong, weak }
  ONE_TAG.lastIndex = 0
  let end = ','
  while (end === ',') {
    const match = ONE_TAG.exec(text)
    if (match === null)
      throw new CacheError('REQUEST_INVALID', `${header} must be * or a list of entity tags such as "1732176000000-0-node"`)
    const set = match[1] === undefined ? strong : weak
    set.add(match[2] as string)
    end = match[3] as string
  }
  return { any: false, strong, weak }
}

/** What a request demands of the version that is there; `null` for what it does not. */
export interface Preconditions {
  readonly ifMatch: EntityTags | null
  readonly ifNoneMatch: EntityTags | null
}

/** Strong comparison, as RFC 9110 asks of `If-Match`; `current` is `null` when there is no value. */
export function meetsIfMatch({ ifMatch }: Preconditions, current: string | null): boolean {
  if (ifMatch === null) return true
  return current !== null && (ifMatch.any || ifMatch.strong.has(current))
}

/** Weak comparison, as RFC 9110 asks of `If-None-Match`. */
export function meetsIfNoneMatch({ ifNoneMatch }: Preconditions, current: string | null): boolean {
  if (ifNoneMatch === null || current === null) return true
  return !(ifNoneMatch.any || ifNoneMatch.strong.has(current) || ifNoneMatch.weak.has(current))
}
