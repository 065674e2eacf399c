/**
 * Speaker: says commands straight to their rows, on a real cache of one node, and answers the replies as they would travel. No parser, no socket, no
 * MULTI: those are tried elsewhere.
 */
import { Operation, type Outcome, saveOutcome } from '../../../../src/cache/operation.ts'
import { Arguments } from '../../../../src/gateway/resp/arguments.ts'
import { Collector } from '../../../../src/gateway/resp/collector.ts'
import type { Call, CommandRow, Later, ManyOperations, OneOperation, SavedOutcome } from '../../../../src/gateway/resp/command.ts'
import { ENTRY_COMMANDS } from '../../../../src/gateway/resp/commands/entry.ts'
import { GENERIC_COMMANDS } from '../../../../src/gateway/resp/commands/generic.ts'
import { STRING_COMMANDS } from '../../../../src/gateway/resp/commands/string.ts'
import { errorText } from '../../../../src/gateway/resp/outcome-reply.ts'
import { ReplyError } from '../../../../src/gateway/resp/reply-error.ts'
import { type ReplySink, ReplyWriter } from '../../../../src/gateway/resp/reply-writer.ts'
import type { CacheError } from '../../../../src/lib/errors.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { type LocalCacheOptions, localCache } from '../../../support/local-cache.ts'

const ROWS = new Map([...STRING_COMMANDS, ...ENTRY_COMMANDS, ...GENERIC_COMMANDS].map((row) => [row.name, row]))

export class Speaker {
  readonly clock = new FakeClock()
  readonly local: ReturnType<typeof localCache>
  readonly #session: Call['session']
  readonly #sessions = new Map<number, unknown>()
  readonly #operation = new Operation()
  protocol: 2 | 3 = 2

  constructor(options: Omit<LocalCacheOptions, 'clock'> = {}) {
    this.local = localCache({ ...options, clock: this.clock })
    this.#session = { id: 1, hub: { clock: this.clock, sessions: this.#sessions } } as unknown as Call['session']
    this.#sessions.set(1, this.#session)
  }

  /** The client goes. */
  hangUp(): void {
    this.#sessions.clear()
  }

  /** The reply, one character a byte; arguments likewise. */
  say(...words: readonly (string | number)[]): string {
    const sent = words.map((word) => Buffer.from(String(word), 'latin1'))
    const args = new Arguments()
    args.reset(Buffer.concat(sent))
    let at = 0
    for (const { length } of sent) {
      args.add(at, at + length)
      at += length
    }
    const chunks: Buffer[] = []
    const sink: ReplySink = { take: (buffer, end) => chunks.push(Buffer.from(buffer.subarray(0, end))) > 0 }
    const reply = new ReplyWriter(sink, 4096)
    reply.protocol = this.protocol
    try {
      this.#run(rowOf(args), args, reply)
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error
      reply.error(error.message)
    }
    reply.flush()
    return Buffer.concat(chunks).toString('latin1')
  }

  #run({ action }: CommandRow, args: Arguments, reply: ReplyWriter): void {
    if (action.kind === 'one') this.#one(action, args, reply)
    else if (action.kind === 'many') this.#many(action, args, reply)
    else if (action.kind === 'direct') this.#direct(action.run, args, reply)
  }

  #one(action: OneOperation, args: Arguments, reply: ReplyWriter): void {
    action.prepare(args, this.#operation)
    this.local.cache.execute(this.#operation, (error, outcome) => {
      if (error !== null) reply.error(errorText(error, this.#operation.code))
      else {
        // As the pipeline has it for what is answered late.
        const kept = action.needsArguments?.(args) ? args : new Arguments()
        action.answer(reply, outcome as Outcome, kept, action.needsTime === true ? this.local.cache.nowMs : 0)
      }
    })
  }

  #many(action: ManyOperations, args: Arguments, reply: ReplyWriter): void {
    const { cache } = this.local
    const operations = action.prepare(args, cache.limits)
    const outcomes: (SavedOutcome | null)[] = operations.map(() => null)
    let failure: CacheError | null = null
    const save = (i: number, outcome: Outcome): void => {
      outcomes[i] = saveOutcome(outcome)
    }
    if (action.atomic) {
      cache.transact(operations, save, (error) => (failure = error))
    } else {
      for (const [i, operation] of operations.entries()) {
        cache.execute(operation, (error, outcome) => {
          failure ??= error
          if (outcome !== null) save(i, outcome)
        })
      }
    }
    if (failure !== null) reply.error(errorText(failure, operations[0]?.code ?? 0))
    else action.answer(reply, outcomes, args)
  }

  /** Steps the clock until the reply is there: a walk over keys gives others their turn between two pages. */
  #direct(run: (call: Call) => void, args: Arguments, reply: ReplyWriter): void {
    const collector = new Collector().open(this.protocol)
    let finished = false
    let deferred = false
    const later = (): Later => {
      deferred = true
      return { args, reply: collector.reply, finish: () => (finished = true) }
    }
    run({ args, session: this.#session, cache: this.local.cache, reply, later })
    for (let turn = 0; deferred && !finished && turn < 10_000; turn++) this.clock.advance(0)
    if (deferred && !finished) throw new Error('the command never answered')
    collector.moveTo(reply)
  }
}

function rowOf(args: Arguments): CommandRow {
  const row = ROWS.get(args.text(0).toUpperCase())
  if (row === undefined) throw new Error(`no command ${args.text(0)}`)
  if (row.action.kind !== 'container') return row
  const child = row.action.subcommands.find(({ name }) => args.is(1, name))
  if (child === undefined) throw new Error(`no subcommand ${args.text(1)}`)
  return child
}
