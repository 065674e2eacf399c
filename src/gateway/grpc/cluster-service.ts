/**
 * Cluster service: the calls of proto/cluster.proto.
 */
import type { UntypedServiceImplementation } from '@grpc/grpc-js'
import type { Cache, ClusterReport, MemberReport } from '../../cache/cache.ts'
import { CacheError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logger.ts'
import { type Done, unary } from './unary.ts'

interface DescribeRequest {
  readonly ranges: boolean
}

interface RegisterRequest {
  readonly address: string
}

interface UnregisterRequest {
  readonly member: string
}

export class ClusterService {
  readonly #cache: Cache
  readonly #logger: Logger

  constructor(cache: Cache, logger: Logger) {
    this.#cache = cache
    this.#logger = logger
  }

  /** By the names of the calls in the proto file. */
  implementation(): UntypedServiceImplementation {
    const { topology } = this.#cache
    return {
      Describe: unary(this.#logger, ({ ranges }: DescribeRequest, done: Done<object>) =>
        topology.report(ranges, (report) => done(null, reportMessage(report))),
      ),
      Register: unary(this.#logger, ({ address }: RegisterRequest, done: Done<object>) => {
        const joining = topology.join(address)
        if (joining === 'malformed') done(new CacheError('QUERY_INVALID', 'address must be host:port'), null)
        else done(null, { met: joining === 'met' })
      }),
      Unregister: unary(this.#logger, ({ member }: UnregisterRequest, done: Done<object>) =>
        topology.retire(member, (error, name) => {
          if (error === null) done(null, { name: name ?? '' })
          else done(error, null)
        }),
      ),
    }
  }
}

function reportMessage({ seenBy, version, slots, unservedSlots, uncopiedSlots, members }: ClusterReport): object {
  return {
    seen_by: seenBy,
    version,
    slots,
    unserved_slots: unservedSlots,
    uncopied_slots: uncopiedSlots,
    members: members.map(memberMessage),
  }
}

function memberMessage(member: MemberReport): object {
  const { name, state, leaving, zone, generation, incarnation, tableVersion, addresses, slots, weakSlots, ranges = [], figures } = member
  return {
    name,
    state: `MEMBER_STATE_${state.toUpperCase()}`,
    leaving,
    zone,
    generation,
    incarnation,
    table_version: tableVersion,
    addresses: Object.fromEntries(Object.entries(addresses).filter(([, address]) => address !== null)),
    slots,
    weak_slots: weakSlots,
    ranges: ranges.map(([from, to]) => ({ from, to })),
    figures: figures === null ? null : figuresMessage(figures),
  }
}

function figuresMessage(figures: NonNullable<MemberReport['figures']>): object {
  const { ready, primarySlots, completeSlots, entries, bytes, maxBytes, digest, followers, lost } = figures
  return {
    ready,
    primary_slots: primarySlots,
    complete_slots: completeSlots,
    entries,
    bytes,
    max_bytes: maxBytes,
    digest,
    followers: followers.map(({ name, lagMs, backlogBytes, incompleteSlots }) => ({
      name,
      lag_ms: Math.round(lagMs),
      backlog_bytes: backlogBytes,
      incomplete_slots: incompleteSlots,
    })),
    lost: {
      conflict: lost.conflict,
      stop: lost.stop,
      discarded: lost.discarded,
      at_least: lost.atLeast,
      at_most: lost.atMost,
      window_ms: Math.round(lost.windowMs),
    },
  }
}
