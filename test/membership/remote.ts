/** A member whose SWIM and whose data path run on clocks of their own, as two threads do: each can be stopped by itself. */
import type { Logger } from '../../src/lib/logger.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { Heartbeat, HeartbeatWatch } from '../../src/membership/heartbeat.ts'
import { MembershipHost } from '../../src/membership/membership-host.ts'
import type { SwimOptions } from '../../src/membership/options.ts'
import { RemoteMembership } from '../../src/membership/remote-membership.ts'
import type { FromHost, ThreadPort, ToHost } from '../../src/membership/thread-messages.ts'
import { HostClock } from '../support/fake-clock.ts'
import { type Flock, meta, PORT } from './flock.ts'

export class Remote {
  readonly name: string
  readonly dataPath: HostClock
  readonly thread: HostClock
  readonly heartbeat: Heartbeat
  readonly membership: RemoteMembership
  /** As `Bird.told`. */
  readonly told: string[] = []
  readonly logged: string[] = []
  /** Letters that went to the data path, and from it. */
  readonly fromHost: FromHost[] = []
  readonly toHost: ToHost[] = []
  onTold: (text: string) => void = () => {}

  constructor(flock: Flock, name: string, generation: number, seeds: readonly string[], options: Partial<SwimOptions> = {}) {
    this.name = name
    this.dataPath = new HostClock(flock.clock)
    this.thread = new HostClock(flock.clock)
    this.heartbeat = new Heartbeat(this.dataPath)
    const host = flock.network.host(name, this.thread)
    const toHost = new Channel<ToHost>(this.thread, this.toHost)
    const fromHost = new Channel<FromHost>(this.dataPath, this.fromHost)
    new MembershipHost({
      clock: this.thread,
      random: new SeededRandom(generation),
      packets: host.packets(PORT),
      exchanges: host.exchanges(PORT),
      clusterId: 'flock',
      options,
      watch: new HeartbeatWatch(this.heartbeat.memory),
      port: join(fromHost, toHost),
      forgedTotal: () => 7,
      logsDebug: false,
    })
    const tell = (text: string): void => {
      this.told.push(text)
      this.onTold(text)
    }
    this.membership = new RemoteMembership({
      clock: this.dataPath,
      self: { name, generation, address: `${name}:${PORT}`, meta: meta(`uid-${name}`, name) },
      port: join(toHost, fromHost),
      heartbeat: this.heartbeat,
      logger: this.#logger(),
      events: {
        memberChanged: (member, previous) =>
          tell(`${member.name}/${member.generation} ${previous === undefined ? 'unknown' : previous.state} -> ${member.state}`),
        heldDead: () => tell('held dead'),
        superseded: () => tell('superseded'),
      },
    })
    this.membership.setSeeds(seeds.map((seed) => `${seed}:${PORT}`))
  }

  #logger(): Logger {
    const line = (level: string) => (_fields: object, message: string) => void this.logged.push(`${level} ${message}`)
    return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
  }
}

/** One direction: messages arrive as copies, in a later turn of the receiver. */
class Channel<Message> {
  readonly #clock: HostClock
  readonly #kept: Message[]
  receive: (message: Message) => void = () => {}

  constructor(clock: HostClock, kept: Message[]) {
    this.#clock = clock
    this.#kept = kept
  }

  post(message: Message): void {
    const copy = structuredClone(message)
    this.#kept.push(copy)
    this.#clock.soon(() => this.receive(copy))
  }
}

function join<Out, In>(out: Channel<Out>, incoming: Channel<In>): ThreadPort<Out, In> {
  return {
    post: (message) => out.post(message),
    onMessage: (receive) => {
      incoming.receive = receive
    },
  }
}
