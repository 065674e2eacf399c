/**
 * ReplyError: a command that is refused, with the text that Redis has for it, the first word included.
 */
export class ReplyError extends Error {
  /** What quotes a client's own bytes has one character for each of them. */
  readonly encoding: 'utf8' | 'latin1'

  constructor(text: string, encoding: 'utf8' | 'latin1' = 'utf8') {
    super(text)
    this.name = 'ReplyError'
    this.encoding = encoding
  }
}

export const SYNTAX_ERROR = 'ERR syntax error'
export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range'
export const NOT_A_FLOAT = 'ERR value is not a valid float'
export const NO_SUCH_KEY = 'ERR no such key'
export const INVALID_CURSOR = 'ERR invalid cursor'

/** `name` in lower case; a subcommand's is `client|kill`. */
export function wrongNumberOfArguments(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`
}

export function invalidExpireTime(name: string): string {
  return `ERR invalid expire time in '${name}' command`
}
