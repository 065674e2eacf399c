/**
 * The metrics of one node, as a table: each reads a plain number that a room counts anyway, when it is scraped. What is *not* in a number stands in its help.
 */
import type { Clock } from './lib/clock.ts'
import type { NodeStats } from './node.ts'
import type { Metrics, Sample } from './observability/index.ts'

/** One look at the node serves all metrics of a scrape. */
const FRESH_MS = 20

export function describeNode(metrics: Metrics, clock: Clock, read: () => NodeStats): void {
  let last: { readonly stats: NodeStats; readonly readMs: number } | null = null
  const node = (): NodeStats => {
    const nowMs = clock.now()
    if (last === null || nowMs - last.readMs > FRESH_MS) last = { stats: read(), readMs: nowMs }
    return last.stats
  }
  const gauge = (name: string, help: string, read: (stats: NodeStats) => number): void =>
    metrics.gauge(`jackdaw_${name}`, help, () => read(node()))
  const counter = (name: string, help: string, read: (stats: NodeStats) => number): void =>
    metrics.counter(`jackdaw_${name}`, help, () => read(node()))

  gauge(
    'entries',
    'Entries held here, primaries and copies; tombstones apart, expired ones not yet swept included.',
    ({ store }) => store.entries,
  )
  gauge('tombstones', 'Tombstones held here.', ({ store }) => store.tombstones)
  gauge('memory_bytes', 'What the store holds, index included; buffers of connections and streams apart.', ({ store }) => store.bytes)
  gauge('memory_limit_bytes', 'The store evicts to stay below this.', ({ store }) => store.maxBytes)
  counter('evictions_total', 'Entries removed because the memory limit was reached.', ({ store }) => store.evictedTotal)
  counter('expired_total', 'Entries removed because their time was over.', ({ store }) => store.expiredTotal)

  metrics.gauge('jackdaw_members', 'Members by state as this one sees them, itself included.', () => memberSamples(node()), ['state'])
  counter('member_changes_total', 'Changes of state or generation of other members.', (stats) => stats.memberChangesTotal)
  counter('gossip_probes_total', 'Probes sent.', ({ membership }) => membership.probesTotal)
  counter(
    'gossip_probe_failures_total',
    'Probes that nobody answered, directly or through others.',
    ({ membership }) => membership.probeFailuresTotal,
  )
  counter('gossip_suspicions_total', 'Suspicions that began here or were heard.', ({ membership }) => membership.suspicionsTotal)
  counter('gossip_refutations_total', 'Suspicions of this member that it refuted.', ({ membership }) => membership.refutationsTotal)
  counter('gossip_packets_sent_total', 'Gossip packets sent.', ({ membership }) => membership.packetsSentTotal)
  counter('gossip_packets_received_total', 'Gossip packets received and believed.', ({ membership }) => membership.packetsReceivedTotal)
  counter(
    'gossip_packets_refused_total',
    'Gossip packets of other clusters or protocols, or malformed.',
    ({ membership }) => membership.packetsRefusedTotal,
  )
  counter(
    'gossip_packets_forged_total',
    'Gossip packets and exchanges that no key known here has signed; 0 without keys.',
    ({ membership }) => membership.packetsForgedTotal,
  )
  counter(
    'gossip_hung_answers_total',
    'Probes answered by members that live, but whose data path hung.',
    ({ membership }) => membership.hungAnswersTotal,
  )
  gauge(
    'clock_offset_seconds',
    "How far the time this member goes by is ahead of its machine's wall clock: 0 while most members' wall clocks agree with it.",
    ({ time }) => time.aheadOfWallMs / 1000,
  )
  gauge(
    'clock_spread_seconds',
    "How far the time of another member is from this one's, at most; a measurement over the network.",
    ({ time }) => time.spreadMs / 1000,
  )
  counter(
    'clock_steps_followed_total',
    'Steps of the wall clock that most members made and that were followed.',
    ({ time }) => time.followedTotal,
  )
  counter(
    'clock_steps_refused_total',
    'Times that the wall clock was found to be off from those of most members, and was not followed.',
    ({ time }) => time.refusedTotal,
  )
  gauge('gossip_local_health', 'Lifeguard awareness: 0 is well.', ({ membership }) => membership.localHealth)

  metrics.gauge('jackdaw_slots', 'Slots by what this member is to them.', () => slotSamples(node()), ['role'])
  gauge(
    'followings_incomplete',
    'Slots that followers of this member do not hold completely yet, stand-ins included.',
    ({ replication }) => replication.incompleteFollowings,
  )
  gauge(
    'followers_cut_off',
    'Members that are there and could not be streamed to for 30 s: others have their seats in the slots of this one.',
    ({ replication }) => replication.cutOffFollowers,
  )
  gauge(
    'replication_backlog_bytes',
    'Streamed or waiting, and not confirmed by the followers.',
    ({ replication }) => replication.backlogBytes,
  )
  gauge(
    'replication_lag_seconds',
    'Age of the last confirmation of the slowest follower that has a backlog; of one that never confirmed anything, since it is there.',
    ({ replication }) => replication.lagSeconds,
  )
  counter('bulk_bytes_total', 'Sent in snapshots of slots.', ({ replication }) => replication.bulkBytesTotal)
  counter('bulk_entries_total', 'Entries sent in snapshots of slots.', ({ replication }) => replication.bulkEntriesTotal)
  counter('slots_moved_total', 'Slots handed over to an heir that took them.', ({ replication }) => replication.movedTotal)
  counter('slots_taken_back_total', 'Slots granted and taken back.', ({ replication }) => replication.takenBackTotal)
  counter(
    'slots_claimed_total',
    'Slots taken over because their holder was gone or there was none.',
    ({ replication }) => replication.claimedTotal,
  )
  counter(
    'slots_lost_total',
    'Claimed slots of which no complete copy was left, or none that could be reached.',
    ({ replication }) => replication.slotsLostTotal,
  )
  counter(
    'slots_found_total',
    'Slots among the lost ones whose last holder had only been out of reach, and is back with its copy.',
    ({ replication }) => replication.slotsFoundTotal,
  )
  counter(
    'slots_beaten_total',
    'Slots given up because another member held them under a higher term.',
    ({ replication }) => replication.beatenTotal,
  )
  counter('conflicts_total', 'Entries of another primary that lost to newer ones here.', ({ replication }) => replication.conflictsTotal)
  counter(
    'replica_refusals_total',
    'Entries of other members that could not be taken because the memory limit is reached and nothing may be evicted, each time that they came.',
    ({ replication }) => replication.refusedTotal,
  )
  gauge(
    'divergent_slots',
    'Slots of this member whose copies differed when they were last compared, counted for each follower.',
    ({ replication }) => replication.repair.divergentSlots,
  )
  gauge('divergent_keys', 'Keys of these that differed when the slots were listed.', ({ replication }) => replication.repair.divergentKeys)
  counter('repairs_total', 'Slots listed for a follower whose copy differed.', ({ replication }) => replication.repair.repairsTotal)
  counter(
    'repaired_entries_total',
    'Entries that followers of this member asked for, dropped or sent back after a slot was listed.',
    ({ replication }) => replication.repair.repairedEntriesTotal,
  )
  gauge(
    'repair_round_age_seconds',
    'Since every slot was compared with every complete follower for the last time.',
    ({ replication }) => replication.repair.sinceRoundMs / 1000,
  )
  metrics.counter(
    'jackdaw_lost_writes_total',
    'Writes accepted here that are known to be lost: beaten by a write of another primary that had not seen them, taken along by a stop without an heir, or given up below a tombstone mark or because their primary had no room for them.',
    () => {
      const { conflict, stop, discarded } = node().replication.lost
      return Object.entries({ conflict, stop, discarded }).map(([reason, value]) => ({ labels: { reason }, value }))
    },
    ['reason'],
  )
  metrics.gauge(
    'jackdaw_lost_writes_bound',
    'Writes that primaries which are gone may have taken along, of slots claimed here: at least, and at most.',
    () => {
      const { atLeast, atMost } = node().replication.lost
      return Object.entries({ least: atLeast, most: atMost }).map(([bound, value]) => ({ labels: { bound }, value }))
    },
    ['bound'],
  )
  gauge(
    'lost_writes_window_seconds',
    'The longest time from the last that was heard of a primary which is gone to the claim of its slots.',
    ({ replication }) => replication.lost.windowMs / 1000,
  )
  counter(
    'tombstone_mark_discards_total',
    'Entries given up here because their copy was last in sync before a tombstone of their slot was collected: they may have been deleted.',
    ({ replication }) => replication.markDiscardsTotal,
  )
  gauge(
    'handover_longest_pause_seconds',
    'The longest that operations on a batch of slots waited for its heir.',
    ({ replication }) => replication.longestPauseMs / 1000,
  )

  counter('gets_total', 'Reads asked of this member by its clients.', ({ cache }) => cache.getsTotal)
  counter('hits_total', 'Of these, those that found a value.', ({ cache }) => cache.hitsTotal)
  counter('sets_total', 'Writes asked of this member by its clients.', ({ cache }) => cache.setsTotal)
  counter('deletes_total', 'Deletes asked of this member by its clients.', ({ cache }) => cache.deletesTotal)
  counter(
    'other_operations_total',
    'All other operations on keys asked of this member by its clients: expiry, increments, renames and so on.',
    ({ cache }) => cache.otherOperationsTotal,
  )
  counter('transactions_total', 'Transactions asked of this member by its clients.', ({ cache }) => cache.transactionsTotal)
  counter(
    'replica_reads_served_total',
    'Reads that allowed a staleness and were answered from a copy here.',
    ({ cache }) => cache.replicaReadsServedTotal,
  )
  counter(
    'replica_reads_forwarded_total',
    'Reads that allowed a staleness and went to the primary, as no copy here was complete and fresh enough.',
    ({ cache }) => cache.replicaReadsForwardedTotal,
  )
  counter('forwards_total', 'Requests sent to the member that serves the slot, repeats included.', ({ cache }) => cache.forwardedTotal)
  counter('forward_retries_total', 'Requests sent again after a broken link.', ({ cache }) => cache.retriedTotal)
  counter('forward_refusals_total', 'Requests of peers for slots that this member does not serve.', ({ cache }) => cache.refusedTotal)
  counter('forward_timeouts_total', 'Requests that nobody could answer in time.', ({ cache }) => cache.timedOutTotal)
  gauge('parked_requests', 'Requests that wait for somebody to serve their slot.', ({ cache }) => cache.parked)
  counter('parked_requests_total', 'Requests that had to wait.', ({ cache }) => cache.parkedTotal)
  counter('peer_calls_total', 'Calls to other members.', ({ calls }) => calls.sentTotal)
  counter(
    'peer_messages_total',
    'Messages to other members on the request channel; one may carry many calls and answers.',
    ({ calls }) => calls.messagesTotal,
  )
  counter('relayed_calls_total', 'Calls to members without a link to this one, sent by way of a third.', ({ relay }) => relay.detouredTotal)
  counter('passed_calls_total', 'Calls of members that cannot reach each other, passed on here.', ({ relay }) => relay.passedTotal)
  gauge('leaving', '1 while this member hands over to stop.', ({ draining }) => (draining ? 1 : 0))
}

function memberSamples({ membership }: NodeStats): Sample[] {
  const { alive, suspect, dead, left } = membership
  return Object.entries({ alive: alive + 1, suspect, dead, left }).map(([state, value]) => ({ labels: { state }, value }))
}

function slotSamples({ replication }: NodeStats): Sample[] {
  const { primarySlots, parkedSlots, completeSlots, orphanSlots } = replication
  return Object.entries({ primary: primarySlots, parked: parkedSlots, complete: completeSlots, orphan: orphanSlots }).map(
    ([role, value]) => ({ labels: { role }, value }),
  )
}
