/**
 * What INFO tells of the gateway itself, with Redis's names for the fields, and where the sections of others go.
 */
import { REDIS_VERSION } from './commands/connection.ts'
import { mergeSections } from './info.ts'
import type { RespStats } from './resp-stats.ts'
import type { InfoSection } from './session.ts'

export interface GatewayFacts {
  readonly version: string
  readonly port: number
  /** As clients see it that know of clusters. */
  readonly cluster: boolean
  readonly uptimeMs: number
  readonly maxClients: number
  readonly channels: number
  readonly patterns: number
  readonly stats: RespStats
  /** What the counters were when CONFIG RESETSTAT was said: INFO counts from there, the metrics from the start. `null`: never. */
  readonly reset: RespStats | null
}

type Counter = 'acceptedTotal' | 'rejectedTotal' | 'bytesInTotal' | 'bytesOutTotal' | 'outputLimitKillsTotal'

/** As Redis prints them; what Redis does not have comes last. */
const ORDER = ['Server', 'Clients', 'Memory', 'Persistence', 'Stats', 'Replication', 'CPU', 'Commandstats', 'Cluster', 'Keyspace']

/** The gateway's sections and those of `others`, in order; where both have a field, others' is taken for the server, the gateway's for counters. */
export function infoSections(facts: GatewayFacts, others: readonly InfoSection[]): readonly InfoSection[] {
  return [...mergeSections(describe(facts), others, counted(facts))].sort((a, b) => rank(a) - rank(b))
}

function rank({ name }: InfoSection): number {
  const at = ORDER.indexOf(name)
  return at < 0 ? ORDER.length : at
}

function describe({ version, port, cluster, uptimeMs, maxClients, stats }: GatewayFacts): readonly InfoSection[] {
  const uptimeSeconds = Math.floor(uptimeMs / 1000)
  return [
    {
      name: 'Server',
      fields: [
        ['redis_version', REDIS_VERSION],
        ['redis_mode', cluster ? 'cluster' : 'standalone'],
        ['jackdaw_version', version],
        ['tcp_port', port],
        ['uptime_in_seconds', uptimeSeconds],
        ['uptime_in_days', Math.floor(uptimeSeconds / 86_400)],
      ],
    },
    {
      name: 'Clients',
      fields: [
        ['connected_clients', stats.connections],
        ['maxclients', maxClients],
        ['pubsub_clients', stats.subscribers],
      ],
    },
    { name: 'Cluster', fields: [['cluster_enabled', cluster ? 1 : 0]] },
  ]
}

function counted({ stats, reset, channels, patterns }: GatewayFacts): readonly InfoSection[] {
  const since = (name: Counter): number => stats[name] - (reset?.[name] ?? 0)
  const calls = Object.entries(stats.commandsTotal)
    .map(([name, count]) => [name, count - (reset?.commandsTotal[name] ?? 0)] as const)
    .filter(([, count]) => count > 0)
  return [
    {
      name: 'Stats',
      fields: [
        ['total_connections_received', since('acceptedTotal')],
        ['total_commands_processed', calls.reduce((sum, [, count]) => sum + count, 0)],
        ['total_net_input_bytes', since('bytesInTotal')],
        ['total_net_output_bytes', since('bytesOutTotal')],
        ['rejected_connections', since('rejectedTotal')],
        ['client_output_buffer_limit_disconnections', since('outputLimitKillsTotal')],
        ['pubsub_channels', channels],
        ['pubsub_patterns', patterns],
      ],
    },
    { name: 'Commandstats', fields: calls.map(([name, count]) => [`cmdstat_${name}`, `calls=${count}`] as const) },
  ]
}
