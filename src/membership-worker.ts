/**
 * The thread of membership: opens its sockets, reads its keys, and runs a `MembershipHost` over them for the data path that started it (see
 * membership-thread.ts). Like main.ts it makes a system clock, because a thread is a process of its own in that.
 *
 * Nothing here waits for the data path: packets are answered while that one collects garbage. An error that nobody foresaw ends the thread, and
 * with it the process.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { followKeyFile, readKeyFile } from './key-file.ts'
import { SystemClock } from './lib/clock.ts'
import { SystemRandom } from './lib/random.ts'
import { SecretKeys } from './lib/secret-keys.ts'
import {
  type FromHost,
  HeartbeatWatch,
  KeyRing,
  MembershipHost,
  SealedExchanges,
  SealedPackets,
  type ThreadPort,
  type ToHost,
} from './membership/index.ts'
import type { ThreadData, ThreadGreeting } from './membership-thread.ts'
import { parseAddress } from './transport/address.ts'
import { TcpExchanges } from './transport/tcp.ts'
import { UdpPackets } from './transport/udp.ts'

await run(parentPort as MessagePort, workerData as ThreadData)

async function run(parent: MessagePort, data: ThreadData): Promise<void> {
  const greet = (greeting: ThreadGreeting): void => parent.postMessage(greeting)
  try {
    greet({ type: 'listening', port: await open(parent, data) })
  } catch (error) {
    greet({ type: 'failed', reason: (error as Error).message })
  }
}

/** Gossip has one number for UDP and TCP: with port 0 the TCP listener follows what UDP got. */
async function open(parent: MessagePort, data: ThreadData): Promise<number> {
  const { host, port, clusterId, keys, keysFile, verifies, heartbeat, logsDebug } = data
  const clock = new SystemClock()
  const random = new SystemRandom()
  const secret = keysFile === null ? (keys === null ? null : SecretKeys.parse(keys)) : await readKeyFile(keysFile)
  const packets = new UdpPackets({ host, port })
  await packets.listen()
  const bound = parseAddress(packets.address())?.port as number
  const exchanges = new TcpExchanges({ host, port: bound, clock })
  await exchanges.listen()
  const ring = secret === null ? null : new KeyRing(secret, verifies)
  const sealedPackets = ring === null ? null : new SealedPackets(packets, ring)
  const sealedExchanges = ring === null ? null : new SealedExchanges(exchanges, ring, random)
  const membership = new MembershipHost({
    clock,
    random,
    packets: sealedPackets ?? packets,
    exchanges: sealedExchanges ?? exchanges,
    clusterId,
    watch: new HeartbeatWatch(heartbeat),
    port: portOf(parent),
    forgedTotal: () => (sealedPackets?.forgedTotal ?? 0) + (sealedExchanges?.forgedTotal ?? 0),
    logsDebug,
  })
  if (ring !== null && secret !== null && keysFile !== null) {
    followKeyFile(keysFile, secret, clock, membership.logger, (changed) => ring.replace(changed))
  }
  return bound
}

function portOf(parent: MessagePort): ThreadPort<FromHost, ToHost> {
  return {
    post: (message) => parent.postMessage(message),
    onMessage: (receive) => parent.on('message', receive),
  }
}
