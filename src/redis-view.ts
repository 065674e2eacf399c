/**
 * How the node looks to those who know Redis: the sections of INFO, and the parameters of CONFIG. Only what means something here is shown, under the
 * names that their tools look for.
 */
import type { Options } from './config/index.ts'
import type { InfoSection, Settings } from './gateway/resp/index.ts'
import type { Node } from './node.ts'
import { EVICTION_POLICIES, type EvictionPolicy } from './store/index.ts'

const MICROSECONDS = 1_000_000

export function infoSections(node: Node, options: Options): readonly InfoSection[] {
  const { store, cache, replication, membership } = node.stats()
  const { user, system } = process.cpuUsage()
  return [
    {
      name: 'Server',
      fields: [
        ['node_name', options.name],
        ['process_id', process.pid],
        ['os', `${process.platform} ${process.arch}`],
      ],
    },
    {
      name: 'Memory',
      fields: [
        ['used_memory', store.bytes],
        ['used_memory_rss', process.memoryUsage.rss()],
        ['maxmemory', store.maxBytes],
        ['maxmemory_policy', node.evictionPolicy],
      ],
    },
    {
      name: 'Persistence',
      fields: [
        ['loading', 0],
        ['aof_enabled', 0],
      ],
    },
    {
      name: 'Stats',
      fields: [
        ['keyspace_hits', cache.hitsTotal],
        ['keyspace_misses', cache.getsTotal - cache.hitsTotal],
        ['expired_keys', store.expiredTotal],
        ['evicted_keys', store.evictedTotal],
        ['forwarded_operations', cache.forwardedTotal],
      ],
    },
    {
      name: 'Replication',
      fields: [
        ['role', 'master'],
        ['connected_slaves', 0],
        ['replication_backlog_bytes', replication.backlogBytes],
        ['replication_lag_seconds', replication.lagSeconds],
      ],
    },
    {
      name: 'CPU',
      fields: [
        ['used_cpu_sys', (system / MICROSECONDS).toFixed(6)],
        ['used_cpu_user', (user / MICROSECONDS).toFixed(6)],
      ],
    },
    {
      name: 'Cluster',
      fields: [
        ['members_alive', membership.alive + 1],
        ['primary_slots', replication.primarySlots],
        ['complete_slots', replication.completeSlots],
      ],
    },
    { name: 'Keyspace', fields: store.entries === 0 ? [] : [['db0', `keys=${store.entries},expires=${store.expiring},avg_ttl=0`]] },
  ]
}

export function redisSettings(node: Node, options: Options): Settings {
  const fixed: Readonly<Record<string, string>> = {
    maxmemory: String(options.maxMemoryBytes),
    'proto-max-bulk-len': String(options.maxValueBytes),
    databases: '1',
    appendonly: 'no',
    save: '',
  }
  const policy = 'maxmemory-policy'
  return {
    names: () => [...Object.keys(fixed), policy],
    get: (name) => (name === policy ? node.evictionPolicy : (fixed[name] ?? '')),
    refusal: (name, value) => {
      if (name !== policy) return "can't be changed while the server runs"
      return policyOf(value) === undefined ? `argument must be one of the following: ${EVICTION_POLICIES.join(', ')}` : null
    },
    set: (_name, value) => {
      const wanted = policyOf(value)
      if (wanted !== undefined) node.setEvictionPolicy(wanted)
    },
  }
}

function policyOf(value: string): EvictionPolicy | undefined {
  return EVICTION_POLICIES.find((one) => one === value.toLowerCase())
}
