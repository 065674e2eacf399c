/**
 * Router: which commands of a client that knows of clusters are not executed here, and where they belong instead.
 *
 * Such a client keeps a map of slots and goes straight to the member that serves a key. Where its map is old it hears MOVED, as the Redis Cluster
 * specification has it, and goes on there. A slot that was granted and whose heir has not been heard is asked for at the heir (ASK), which answers a
 * command behind ASKING whether or not it has taken the slot yet: it waits with it. A slot whose holder is in doubt is not redirected: the command
 * waits here, like one of any other client, and is answered.
 */
import type { Topology } from '../../cache/cache.ts'
import { slotOf } from '../../lib/slot.ts'
import type { Arguments } from './arguments.ts'
import type { Command } from './command-table.ts'
import type { Session } from './session.ts'

const CROSS_SLOT = "CROSSSLOT Keys in request don't hash to the same slot"

export class Router {
  readonly #topology: Topology
  #redirectsTotal = 0

  constructor(topology: Topology) {
    this.#topology = topology
  }

  get redirectsTotal(): number {
    return this.#redirectsTotal
  }

  /** Whether the command is to be executed here: nothing is counted, and a key that is served here costs its slot and one look. */
  isHere(command: Command, args: Arguments): boolean {
    const slot = slotOfKeys(command, args)
    return slot === NO_KEYS || (slot >= 0 && this.#topology.seat(slot) === 'here')
  }

  /** The text of the error that sends the client elsewhere, or tells it that its keys are in several slots; `null`: execute it. */
  refusal(command: Command, args: Arguments, session: Session): string | null {
    const slot = slotOfKeys(command, args)
    if (slot === NO_KEYS) return null
    if (slot === SEVERAL_SLOTS) return CROSS_SLOT
    const seat = this.#topology.seat(slot)
    if (seat === 'here' || session.asking) return null
    if (seat === null) {
      const heir = this.#topology.heir(slot)
      return heir === null ? null : this.#sendTo(heir, 'ASK', slot)
    }
    // Its client has asked for reads at copies: one that is too old for it is passed over on the way to the holder.
    if (session.maxStaleMs > 0 && !command.writes && this.#topology.hasCopy(slot)) return null
    return this.#sendTo(seat, 'MOVED', slot)
  }

  /** `null` where no such port is known. */
  #sendTo(name: string, word: 'MOVED' | 'ASK', slot: number): string | null {
    const member = this.#topology.member(name)
    if (member === undefined || member.ports.cluster === 0) return null
    this.#redirectsTotal++
    return `${word} ${slot} ${member.host}:${member.ports.cluster}`
  }
}

const NO_KEYS = -1
const SEVERAL_SLOTS = -2

function slotOfKeys(command: Command, args: Arguments): number {
  const [first, last, step] = command.row.keys
  if (first === 0) return NO_KEYS
  const end = last < 0 ? args.count + last : last
  let slot = NO_KEYS
  for (let i = first; i <= end && i < args.count; i += step) {
    const own = slotOf(args.buffer, args.start(i), args.end(i))
    if (slot !== NO_KEYS && own !== slot) return SEVERAL_SLOTS
    slot = own
  }
  return slot
}
