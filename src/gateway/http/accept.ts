/**
 * Accept: which of the forms that a route offers a client likes best (RFC 9110, 12.5.1).
 *
 * The highest quality wins, then the range that names the form more exactly, then the order of the offers. A client that likes none of them gets
 * the first all the same: an answer in another form says more than a 406.
 */
const EXACT = 3
const SUBTYPES = 2
const ANY = 1

/** One of `offers`, media types in lower case without parameters; the first is the default. */
export function preferred<T extends string>(header: string | undefined, offers: readonly [T, ...T[]]): T {
  if (header === undefined || header === '*/*' || header === offers[0]) return offers[0]
  const ranges = header.split(',').map(parseRange)
  let best = offers[0]
  let bestQuality = 0
  let bestExactness = 0
  for (const offer of offers) {
    let quality = 0
    let exactness = 0
    for (const range of ranges) {
      const match = exactnessOf(range.type, offer)
      if (match > exactness) {
        exactness = match
        quality = range.quality
      }
    }
    if (quality > bestQuality || (quality > 0 && quality === bestQuality && exactness > bestExactness)) {
      best = offer
      bestQuality = quality
      bestExactness = exactness
    }
  }
  return best
}

function exactnessOf(range: string, offer: string): number {
  if (range === offer) return EXACT
  if (range === '*/*') return ANY
  return range.endsWith('/*') && offer.startsWith(range.slice(0, -1)) ? SUBTYPES : 0
}

function parseRange(text: string): { readonly type: string; readonly quality: number } {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const weight = parameters.find((parameter) => parameter.startsWith('q='))
  const quality = weight === undefined ? 1 : Number(weight.slice(2))
  return { type, quality: quality >= 0 && quality <= 1 ? quality : 0 }
}
