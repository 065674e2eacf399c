/**
 * Arguments that are patterns, or names of channels: no longer than keys may be, so that comparing them is bounded as it is for keys.
 */
import type { Limits } from '../../../cache/cache.ts'
import type { Arguments } from '../arguments.ts'
import { ReplyError } from '../reply-error.ts'

/** The pattern in argument `i`, a view. */
export function patternArgument(args: Arguments, i: number, { maxKeyBytes }: Limits): Buffer {
  if (args.length(i) > maxKeyBytes) throw new ReplyError(`ERR pattern is too long, the limit is ${maxKeyBytes} bytes`)
  return args.bytes(i)
}

/** Refuses the channel in argument `i` if its name is too long. */
export function checkChannel(args: Arguments, i: number, { maxKeyBytes }: Limits): void {
  if (args.length(i) > maxKeyBytes) throw new ReplyError(`ERR channel is too long, the limit is ${maxKeyBytes} bytes`)
}
