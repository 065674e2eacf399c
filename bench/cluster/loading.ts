/**
 * Fills a cluster with entries, through several members at once, in pipelines. Nothing here is timed.
 */
import type { NetworkedMembers } from '../../test/support/networked-members.ts'
import { encodeCommand } from '../../test/support/raw-resp.ts'
import { lineTo } from './flock.ts'

const BATCH = 500
const OK = 0x2b

/** Sets `count` keys through the first `hosts` members; the value, or what makes it of a key's number. Rejects when one is not taken. */
export async function fillMembers(
  members: NetworkedMembers,
  hosts: number,
  count: number,
  keyOf: (i: number) => string,
  value: string | ((i: number) => string),
): Promise<void> {
  const toValue = typeof value === 'string' ? () => value : value
  const lines = await Promise.all(Array.from({ length: hosts }, (_, host) => lineTo(members, host)))
  try {
    await Promise.all(
      lines.map(async (line, lane) => {
        for (let from = lane * BATCH; from < count; from += BATCH * hosts) {
          const some = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) =>
            encodeCommand(['SET', keyOf(from + i), toValue(from + i)]),
          )
          const replies = await line.exchange([Buffer.concat(some)], some.length)
          const refused = replies.find((reply) => reply[0] !== OK)
          if (refused !== undefined) throw new Error(`filling: ${refused}`)
        }
      }),
    )
  } finally {
    for (const line of lines) line.close()
  }
}
