/**
 * `jackdaw cluster`: the members as the one that answers sees them, a line each, or with `--json` all that is known (CLUSTER REPORT).
 */
import { ProtocolError } from '../client/index.ts'
import { EXIT, type ExitCode } from './exit-code.ts'
import { clientCommand, type Session, type Shell, withClient } from './session.ts'

/** What is read of a report; it has more. */
interface Report {
  readonly seenBy: string
  readonly slots: number
  readonly unservedSlots: number
  readonly uncopiedSlots: number
  readonly members: readonly MemberOfReport[]
}

interface MemberOfReport {
  readonly name: string
  readonly state: string
  readonly leaving: boolean
  readonly zone: string
  readonly slots: number
  readonly addresses: { readonly gossip: string }
  readonly figures: {
    readonly ready: boolean
    readonly completeSlots: number
    readonly entries: number
    readonly bytes: number
    readonly followers: readonly { readonly lagMs: number; readonly backlogBytes: number; readonly incompleteSlots: number }[]
  } | null
}

const HEAD = ['member', 'state', 'ready', 'slots', 'complete', 'entries', 'bytes', 'lag ms', 'backlog', 'incomplete', 'gossip', 'zone']
const UNKNOWN = '-'

export function addClusterCommand(shell: Shell): void {
  clientCommand(shell, 'cluster', 'print the members of the cluster: states, slots, replication; fails when a slot is not served')
    .option('--ranges', 'with --json: the ranges of slots that each member serves')
    .action(withClient<{ readonly ranges?: true }>(shell, cluster))
}

/** The exit code tells scripts whether every slot is served. */
async function cluster({ client, terminal, json, options }: Session<{ readonly ranges?: true }>): Promise<ExitCode> {
  const words = options.ranges === true ? ['CLUSTER', 'REPORT', 'RANGES'] : ['CLUSTER', 'REPORT']
  const reply = await client.command(words, { idempotent: true })
  if (!Buffer.isBuffer(reply)) throw new ProtocolError('the server answered something else than a report')
  const report = JSON.parse(reply.toString()) as Report
  if (json) await terminal.write(`${reply}\n`)
  else {
    const members = [...report.members].sort((a, b) => (a.name < b.name ? -1 : 1))
    await terminal.write(table([HEAD, ...members.map(row)]))
    const { seenBy, slots, unservedSlots, uncopiedSlots } = report
    const alone = members.filter(({ state }) => state === 'alive' || state === 'suspect').length === 1
    const copies = alone ? '; it is alone: there is nobody to copy to' : ` and ${uncopiedSlots} have no complete copy`
    terminal.say(`seen by ${seenBy}: of ${slots} slots ${unservedSlots} are not served${copies}`)
  }
  return report.unservedSlots === 0 ? EXIT.ok : EXIT.negative
}

function row({ name, state, leaving, zone, slots, addresses, figures }: MemberOfReport): string[] {
  const told = leaving ? `${state}, leaving` : state
  const place = [addresses.gossip, zone === '' ? UNKNOWN : zone]
  if (figures === null) return [name, told, UNKNOWN, String(slots), ...Array.from({ length: 6 }, () => UNKNOWN), ...place]
  const { ready, completeSlots, entries, bytes, followers } = figures
  const lagMs = Math.max(0, ...followers.map((follower) => follower.lagMs))
  const sum = (of: (follower: (typeof followers)[number]) => number): number => followers.reduce((total, one) => total + of(one), 0)
  return [
    name,
    told,
    ready ? 'yes' : 'no',
    ...[slots, completeSlots, entries, bytes, Math.round(lagMs)].map(String),
    String(sum(({ backlogBytes }) => backlogBytes)),
    String(sum(({ incompleteSlots }) => incompleteSlots)),
    ...place,
  ]
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = HEAD.map((_, i) => Math.max(...rows.map((cells) => (cells[i] ?? '').length)))
  return rows
    .map(
      (cells) =>
        `${cells
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
