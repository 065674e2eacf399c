/**
 * CLUSTER and its kin: the map of the cluster for clients that go to the right member by themselves, on every port of the RESP face.
 */
import { SLOT_COUNT, slotOf } from '../../../lib/slot.ts'
import type { Call, CommandFlag, CommandRow, Direct, Later } from '../command.ts'
import { NOT_AN_INTEGER, ReplyError } from '../reply-error.ts'
import { INFO, NODES, nodeId, type RenderedReply, SHARDS, SLOTS } from './cluster-replies.ts'
import { integerArgument } from './integer-argument.ts'
import { directRows, help } from './row.ts'

const PLAIN: readonly CommandFlag[] = ['loading', 'stale']
const FAST: readonly CommandFlag[] = ['fast', 'loading', 'stale']

/** Of one GETKEYSINSLOT: a slot may be large by itself (hash tags), and the reply is made in one go. */
const MAX_LISTED_KEYS = 10_000

const HELP = [
  'COUNTKEYSINSLOT <slot>',
  '    Return the number of keys of <slot> that are held here.',
  'GETKEYSINSLOT <slot> <count>',
  '    Return up to <count> of these keys.',
  'INFO',
  '    Return whether all slots are served.',
  'KEYSLOT <key>',
  '    Return the slot of <key>.',
  'MYID',
  '    Return the id of this member.',
  'NODES',
  '    Return the members and their slots, one a line.',
  'REPORT [RANGES]',
  '    Return all that is known of the cluster, figures of all members included, as JSON.',
  'SHARDS',
  '    Return the slots of each member.',
  'SLOTS',
  '    Return the ranges of slots with the addresses of who serves them.',
]

const row = directRows('cluster', (name, flags) =>
  flags === FAST || name === 'MYID' || name === 'COUNTKEYSINSLOT' ? 'O(1)' : 'O(N) with N slots or keys.',
)

export const CLUSTER_COMMANDS: readonly CommandRow[] = [
  {
    ...row('CLUSTER', -2, [], 'Tells of the cluster.', 'subcommand [argument ...]', '3.0.0', () => {}),
    action: {
      kind: 'container',
      subcommands: [
        row('SLOTS', 2, PLAIN, 'Tells which member serves which slots, and who has complete copies.', '', '3.0.0', rendered(SLOTS)),
        row('SHARDS', 2, PLAIN, 'Tells the slots of each member.', '', '7.0.0', rendered(SHARDS)),
        row('NODES', 2, PLAIN, 'Tells the members and their slots, one a line.', '', '3.0.0', rendered(NODES)),
        row('INFO', 2, PLAIN, 'Tells whether all slots are served.', '', '3.0.0', rendered(INFO)),
        row('REPORT', -2, PLAIN, 'Tells what `GET /cluster` does, in JSON.', '[RANGES]', '0.1.0', report),
        row('MYID', 2, PLAIN, 'Tells the id of this member: the SHA-1 of its name.', '', '3.0.0', ({ cache, reply }) =>
          reply.text(nodeId(cache.topology.self)),
        ),
        row('KEYSLOT', 3, PLAIN, 'Tells the slot of a key.', 'key', '3.0.0', ({ args, reply }) =>
          reply.integer(slotOf(args.buffer, args.start(2), args.end(2))),
        ),
        row('COUNTKEYSINSLOT', 3, PLAIN, 'Counts the keys of a slot that are held here.', 'slot', '3.0.0', ({ args, cache, reply }) =>
          reply.integer(cache.topology.keysHere(slotArgument(args, 'ERR Invalid slot'))),
        ),
        row('GETKEYSINSLOT', 4, PLAIN, 'Tells keys of a slot that are held here, 10,000 at most.', 'slot count', '3.0.0', keysInSlot),
        { ...row('HELP', 2, PLAIN, 'Tells about the subcommands.', '', '5.0.0', () => {}), action: help('CLUSTER', HELP) },
      ],
    },
  },
  row(
    'ASKING',
    1,
    FAST,
    'Has the next command executed here, by way of whoever serves the slot: for a client that was told to ASK.',
    '',
    '3.0.0',
    (call) => {
      call.session.asking = true
      ok(call)
    },
  ),
  row(
    'READONLY',
    1,
    FAST,
    'Reads of slots that this member copies are answered here from now on, if the copy is no older than `maxStaleMs`.',
    '',
    '3.0.0',
    (call) => {
      call.session.maxStaleMs = call.session.hub.maxStaleMs
      ok(call)
    },
  ),
  row('READWRITE', 1, FAST, 'Ends READONLY.', '', '3.0.0', (call) => {
    call.session.maxStaleMs = 0
    ok(call)
  }),
]

function ok({ reply }: Call): void {
  reply.ok()
}

function rendered(shape: RenderedReply): Direct['run'] {
  return ({ cache, reply }) => shape.write(reply, cache.topology.picture())
}

function keysInSlot({ args, cache, reply }: Call): void {
  const invalid = 'ERR Invalid slot or number of keys'
  const slot = slotArgument(args, invalid)
  const count = integerArgument(args, 3)
  if (count < 0) throw new ReplyError(invalid)
  const keys = cache.topology.listKeysHere(slot, Math.min(Number(count), MAX_LISTED_KEYS))
  reply.array(keys.length)
  for (const key of keys) reply.bulk(key)
}

function report(call: Call): void {
  const { args, cache } = call
  const withRanges = args.count === 3 && args.is(2, 'RANGES')
  if (args.count > 2 && !withRanges) throw new ReplyError('ERR syntax error')
  let later: Later | null = null
  let answered = false
  cache.topology.report(withRanges, (told) => {
    answered = true
    const reply = later === null ? call.reply : later.reply
    reply.verbatim('txt', JSON.stringify(told))
    later?.finish()
  })
  if (!answered) later = call.later()
}

function slotArgument(args: Call['args'], invalid: string): number {
  const word = args.text(2)
  if (!/^-?[0-9]{1,15}$/.test(word)) throw new ReplyError(NOT_AN_INTEGER)
  const slot = Number(word)
  if (slot < 0 || slot >= SLOT_COUNT) throw new ReplyError(invalid)
  return slot
}
