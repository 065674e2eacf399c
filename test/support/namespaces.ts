/**
 * A network of its own on this machine: network namespaces, each with one address, joined by a bridge, whose cables can be cut and whose packets can
 * be dropped in one direction. Needs Linux, root, and the programs `ip` and `iptables`.
 *
 *     this process -- veth -- [ hub: bridge ] -- veth -- [ host 0: eth0, lo ]
 *                                             -- veth -- [ host 1: eth0, lo ]
 *
 * The bridge has a namespace of its own, so that no firewall of the machine's has a say. Addresses are of 198.18.0.0/15, which is set aside for
 * measurements (RFC 2544) and routed nowhere. All names carry the number of this process: what a process left behind that was killed is removed by
 * the next one that makes a network.
 */
import { spawnSync } from 'node:child_process'

/** `jd<pid>` and what is behind it: interfaces have at most 15 characters. */
const OWN_NAME = /^jd(\d+)(?:-|$)/
const FIRST_HOST = 2
const MOST_HOSTS = 50
/** Addresses of this side, for proxies that stand before a host. */
const FIRST_STAND_IN = 100

/** Why no network can be made here, in a sentence, or `null`. */
export function whyNoNetwork(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux'
  if (process.getuid?.() !== 0) return 'only root makes network namespaces'
  for (const program of ['ip', 'iptables']) {
    if (spawnSync(program, ['-V'], { stdio: 'ignore' }).error !== undefined) return `the program ${program} is not there`
  }
  const trial = `jd${process.pid}-trial`
  const made = spawnSync('ip', ['netns', 'add', trial], { encoding: 'utf8' })
  if (made.status !== 0) return `a network namespace cannot be made here: ${made.stderr.trim()}`
  spawnSync('ip', ['netns', 'del', trial])
  return null
}

export class Network {
  readonly #prefix = `jd${process.pid}`
  readonly #subnet: string
  readonly #closeAtExit = (): void => this.close()

  /** Throws, and leaves nothing behind, when the kernel refuses any part of it. */
  constructor(hosts: number) {
    if (hosts > MOST_HOSTS) throw new RangeError(`${hosts} hosts are more than ${MOST_HOSTS}`)
    removeStale()
    this.#subnet = freeSubnet()
    process.on('exit', this.#closeAtExit)
    try {
      this.#make(hosts)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** The address of a host. */
  address(host: number): string {
    return `${this.#subnet}.${FIRST_HOST + host}`
  }

  /** Another address of this process: who sends to it in place of a host can be listened to by a proxy. */
  standIn(host: number): string {
    const address = `${this.#subnet}.${FIRST_STAND_IN + host}`
    // Kept until the link goes; a second call finds it there.
    spawnSync('ip', ['addr', 'add', `${address}/32`, 'dev', this.#prefix])
    return address
  }

  /** What has to stand before a command so that it runs on a host. The process becomes the command: its pid is the command's. */
  on(host: number): [command: string, ...args: string[]] {
    return ['ip', 'netns', 'exec', this.#host(host)]
  }

  /** Pulls the cable: nothing comes or goes, and nobody is told. */
  cut(host: number): void {
    ip(['-n', this.#hub, 'link', 'set', `p${host}`, 'down'])
  }

  mend(host: number): void {
    ip(['-n', this.#hub, 'link', 'set', `p${host}`, 'up'])
  }

  /** From now on `host` hears nothing of what `others` send, while they hear it. */
  deafen(host: number, others: readonly number[]): void {
    for (const other of others)
      run('ip', ['netns', 'exec', this.#host(host), 'iptables', '-w', '-A', 'INPUT', '-s', this.address(other), '-j', 'DROP'])
  }

  /** It hears everybody again. */
  undeafen(host: number): void {
    run('ip', ['netns', 'exec', this.#host(host), 'iptables', '-w', '-F', 'INPUT'])
  }

  /** Removes all of it, whatever is still running there. Safe to call twice. */
  close(): void {
    process.off('exit', this.#closeAtExit)
    removeOf(process.pid)
  }

  get #hub(): string {
    return `${this.#prefix}-hub`
  }

  #host(host: number): string {
    return `${this.#prefix}-${host}`
  }

  #make(hosts: number): void {
    ip(['netns', 'add', this.#hub])
    ip(['link', 'add', this.#prefix, 'type', 'veth', 'peer', 'name', 'up0', 'netns', this.#hub])
    const hub = ['link add bridge type bridge', 'link set bridge up', 'link set up0 master bridge', 'link set up0 up']
    for (let host = 0; host < hosts; host++) {
      ip(['netns', 'add', this.#host(host)])
      hub.push(
        `link add p${host} type veth peer name eth0 netns ${this.#host(host)}`,
        `link set p${host} master bridge`,
        `link set p${host} up`,
      )
    }
    ip(['-n', this.#hub, '-batch', '-'], hub)
    for (let host = 0; host < hosts; host++)
      ip(['-n', this.#host(host), '-batch', '-'], ['link set lo up', `addr add ${this.address(host)}/24 dev eth0`, 'link set eth0 up'])
    ip(['-batch', '-'], [`addr add ${this.#subnet}.1/24 dev ${this.#prefix}`, `link set ${this.#prefix} up`])
  }
}

function ip(args: readonly string[], batch: readonly string[] = []): void {
  run('ip', args, batch.map((line) => `${line}\n`).join(''))
}

function run(command: string, args: readonly string[], input = ''): void {
  const { status, stderr, error } = spawnSync(command, args, { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`)
}

function lines(...args: string[]): string[] {
  return spawnSync('ip', args, { encoding: 'utf8' }).stdout.split('\n')
}

/** Two networks of two processes must not have the same addresses. */
function freeSubnet(): string {
  const taken = lines('-o', '-4', 'addr').join('\n')
  for (let i = 0; i < 256; i++) {
    const subnet = `198.18.${(process.pid + i) % 256}`
    if (!taken.includes(` ${subnet}.`)) return subnet
  }
  throw new Error('every network of 198.18.0.0/16 is taken')
}

/** The numbers of the processes that have anything here. */
function owners(): Set<number> {
  const names = [
    ...lines('netns', 'list').map((line) => line.split(' ')[0] ?? ''),
    ...lines('-o', 'link').map((line) => /^\d+: ([^@:]+)/.exec(line)?.[1] ?? ''),
  ]
  return new Set(names.flatMap((name) => OWN_NAME.exec(name)?.[1] ?? []).map(Number))
}

function removeStale(): void {
  for (const pid of owners()) if (pid === process.pid || !isAlive(pid)) removeOf(pid)
}

function removeOf(pid: number): void {
  spawnSync('ip', ['link', 'del', `jd${pid}`], { stdio: 'ignore' })
  for (const line of lines('netns', 'list')) {
    const [name = ''] = line.split(' ')
    if (name.startsWith(`jd${pid}-`)) spawnSync('ip', ['netns', 'del', name])
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
