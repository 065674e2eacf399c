/** Media types of bodies and answers. */
export const JSON_FORM = 'application/json'
export const JSON_TYPE = 'application/json; charset=utf-8'
export const TEXT_TYPE = 'text/plain; charset=utf-8'
export const HTML_TYPE = 'text/html; charset=utf-8'
export const OCTETS_TYPE = 'application/octet-stream'

/** How `/get/{key}` can show a value, the first if nobody asks. */
export const VALUE_FORMS = [JSON_FORM, 'text/plain', OCTETS_TYPE] as const

/** `curl -d` says it sends a form; people who say nothing, or text, mean JSON as well. */
export const JSON_BODY_TYPES = [JSON_FORM, 'application/x-www-form-urlencoded', 'text/plain'] as const
/** And text where text is asked for. */
export const TEXT_BODY_TYPES = ['text/plain', OCTETS_TYPE, 'application/x-www-form-urlencoded'] as const
