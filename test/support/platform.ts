/**
 * A platform in memory: what Kubernetes would tell each member about the pods of its StatefulSet, with a delay of its own, and nothing at all while
 * its API is away.
 */
import type { Discovery, DiscoveryEvents, DiscoverySnapshot } from '../../src/discovery/index.ts'
import type { HostClock } from './fake-clock.ts'

interface Pod {
  readonly name: string
  readonly uid: string
  readonly address: string
  stopping: boolean
}

export class Platform {
  replicas: number
  #away = false
  readonly #pods = new Map<string, Pod>()
  readonly #watchers = new Set<Watcher>()

  constructor(replicas: number) {
    this.replicas = replicas
  }

  nameOf(ordinal: number): string {
    return `jackdaw-${ordinal}`
  }

  ordinalOf(name: string): number {
    return Number(name.slice(name.lastIndexOf('-') + 1))
  }

  create(name: string, uid: string, address: string): void {
    this.#pods.set(name, { name, uid, address, stopping: false })
    this.#tell()
  }

  stopping(name: string): void {
    const pod = this.#pods.get(name)
    if (pod !== undefined) pod.stopping = true
    this.#tell()
  }

  deleted(name: string): void {
    const pod = this.#pods.get(name)
    if (pod === undefined) return
    this.#pods.delete(name)
    for (const watcher of this.#watchers) if (!this.#away) watcher.gone(pod.name, pod.uid)
    this.#tell()
  }

  scale(replicas: number): void {
    this.replicas = replicas
    this.#tell()
  }

  set away(away: boolean) {
    this.#away = away
    this.#tell()
  }

  discovery(clock: HostClock): Discovery {
    return new Watcher(clock, this.#watchers, () => (this.#away ? null : this.#snapshot()))
  }

  #snapshot(): DiscoverySnapshot {
    return {
      heard: true,
      wanted: Array.from({ length: this.replicas }, (_, ordinal) => this.nameOf(ordinal)),
      candidates: [...this.#pods.values()].map(({ name, uid, address, stopping }) => ({
        name,
        uid,
        address,
        stopping,
        knownNotRunning: false,
      })),
    }
  }

  #tell(): void {
    for (const watcher of this.#watchers) watcher.tell()
  }
}

const TELL_AFTER_MS = 30

class Watcher implements Discovery {
  readonly #clock: HostClock
  readonly #watchers: Set<Watcher>
  readonly #snapshot: () => DiscoverySnapshot | null
  #events: DiscoveryEvents | null = null

  constructor(clock: HostClock, watchers: Set<Watcher>, snapshot: () => DiscoverySnapshot | null) {
    this.#clock = clock
    this.#watchers = watchers
    this.#snapshot = snapshot
  }

  start(events: DiscoveryEvents): void {
    this.#events = events
    this.#watchers.add(this)
    this.tell()
  }

  close(): void {
    this.#watchers.delete(this)
    this.#events = null
  }

  tell(): void {
    this.#clock.after(TELL_AFTER_MS, () => {
      const snapshot = this.#snapshot()
      if (snapshot !== null) this.#events?.changed(snapshot)
    })
  }

  gone(name: string, uid: string): void {
    this.#clock.after(TELL_AFTER_MS, () => this.#events?.gone(name, uid))
  }
}
