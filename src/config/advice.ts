/**
 * Advice: what can be started and will not go well, for the log of the start. Contradictions are refused instead (options.ts).
 */
import type { Machine } from './machine.ts'
import { ENVIRONMENT_PREFIX, envOf, OPTION_NAMES, type Options } from './option-table.ts'
import type { Environment } from './options.ts'

/**
 * What a member takes beside its entries: some 140 MiB for the runtime before the first client, then buffers and backlogs. docs/operations.md counts with
 * the same.
 */
const RUNTIME_BYTES = 200 * 2 ** 20
/** With less, the garbage collector alone uses up whole periods of the quota, and the member stands still until the next. */
const LEAST_CPUS = 0.5

/** What Kubernetes injects for every Service whose name begins as our prefix does, in its own manner and in that of Docker's links. */
const OF_SERVICES = /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/
const URL_OF_SERVICE = /^(?:tcp|udp|sctp):\/\//
/** Of the command line, which may run in the same container. */
const OF_COMMAND_LINE = 'JACKDAW_ADDRESSES'

/** One sentence each. Of variables the names are told, never what they hold. */
export function adviceOn({ maxMemoryBytes }: Options, { memoryLimitBytes, cpuLimit }: Machine, env: Environment): string[] {
  const advice = unknownVariables(env).map((name) => `there is no option ${name}: the variable is ignored`)
  if (memoryLimitBytes !== null && memoryLimitBytes - maxMemoryBytes < RUNTIME_BYTES) {
    advice.push(
      `maxMemoryBytes is ${maxMemoryBytes} of the ${memoryLimitBytes} bytes that the container may use: that leaves less than ${RUNTIME_BYTES} for everything else, and a full cache may be killed for it`,
    )
  }
  if (cpuLimit !== null && cpuLimit < LEAST_CPUS) {
    advice.push(
      `the container may use ${cpuLimit} of a processor, less than ${LEAST_CPUS}: it will stand still now and then, and other members may suspect it`,
    )
  }
  return advice
}

function unknownVariables(env: Environment): string[] {
  const known = new Set([...OPTION_NAMES.map(envOf), OF_COMMAND_LINE])
  return Object.keys(env).filter(
    (name) => name.startsWith(ENVIRONMENT_PREFIX) && !known.has(name) && !OF_SERVICES.test(name) && !URL_OF_SERVICE.test(env[name] ?? ''),
  )
}
