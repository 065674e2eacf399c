/**
 * Faults: carries out a plan on a cluster. Cuts are between names, so that a member that comes back during one finds itself behind it too. What a platform
 * does (rolls, scaling) it does as Kubernetes would: one pod at a time, and none while another that is needed is not ready.
 */
import type { Cluster, Life } from '../../support/cluster.ts'
import type { Fault, Plan } from './plan.ts'
import type { Trace } from './trace.ts'

type Cut = (from: string, to: string) => boolean

const LOOK_MS = 100
/** A pod that is not ready for so long holds up no further stop: the run's end will show what is wrong with it. */
const PATIENCE_MS = 90_000
const HOUR_MS = 3_600_000

export class Faults {
  readonly #cluster: Cluster
  readonly #plan: Plan
  readonly #trace: Trace
  readonly #cuts = new Set<Cut>()
  readonly #paused = new Set<Life>()
  /** When a life was last resumed, in virtual time. */
  readonly #resumedMs = new Map<Life, number>()
  /** Rolls, stops and scalings that are not through yet. */
  #moves = 0
  #healed = false

  constructor(cluster: Cluster, plan: Plan, trace: Trace) {
    this.#cluster = cluster
    this.#plan = plan
    this.#trace = trace
  }

  /** Starts all members, as far apart as planned, some of them out of reach of others if planned. */
  startAll(): void {
    const { nodes, staggerMs, dividedMs, wallOffsetsMs } = this.#plan
    if (dividedMs > 0) {
      const side = (name: string): boolean => Number(name.at(-1)) % 2 === 0
      this.#cutFor(dividedMs, (from, to) => side(from) !== side(to))
    }
    for (let ordinal = 0; ordinal < nodes; ordinal++) {
      this.#cluster.clock.after(ordinal * staggerMs, () => this.#start(this.#cluster.platform.nameOf(ordinal), wallOffsetsMs[ordinal]))
    }
    this.#cluster.clock.advance(nodes * staggerMs)
  }

  begin(): void {
    for (const fault of this.#plan.faults) {
      this.#cluster.clock.after(fault.atMs, () => {
        this.#trace.effect(`fault ${fault.kind}`)
        this.#carryOut(fault)
      })
    }
  }

  /** Takes all faults away and brings back all members that ought to be there. Moves under way go on. */
  heal(): void {
    this.#healed = true
    this.#trace.effect('heal')
    this.#cuts.clear()
    this.#cluster.network.joinAll()
    this.#calm(0)
    this.#cluster.platform.away = false
    for (const life of [...this.#paused]) this.#resume(life)
    for (let ordinal = 0; ordinal < this.#cluster.platform.replicas; ordinal++) {
      const name = this.#cluster.platform.nameOf(ordinal)
      if (!this.#cluster.lives.has(name)) this.#start(name)
    }
  }

  /** Whether all that was planned to move has moved. */
  get settled(): boolean {
    return this.#moves === 0
  }

  /** Does it stand still, or did it within the last `ms`? */
  stoodStill(life: Life, ms: number): boolean {
    const resumedMs = this.#resumedMs.get(life) ?? Number.NEGATIVE_INFINITY
    return life.clock.paused || this.#cluster.clock.now() - resumedMs < ms
  }

  /** Is anybody cut off from anybody? */
  get cutting(): boolean {
    return this.#cuts.size > 0
  }

  isCut(from: string, to: string): boolean {
    for (const cut of this.#cuts) if (cut(from, to)) return true
    return false
  }

  #carryOut(fault: Fault): void {
    const { clock, network, platform } = this.#cluster
    const victim = this.#pick(fault.draw, [])
    const other = victim === undefined ? undefined : this.#pick(fault.secondDraw, [victim])
    const until = (fn: () => void): void => {
      clock.after(fault.forMs, () => {
        if (!this.#healed) fn()
      })
    }
    switch (fault.kind) {
      case 'roll':
        this.#roll()
        break
      case 'scale-up':
        this.#scaleUp(fault.draw < 0.5 ? 1 : 2)
        break
      case 'scale-down':
        this.#scaleDown(fault.draw < 0.5 ? 1 : 2)
        break
      case 'stop':
        if (victim !== undefined) this.#move((done) => this.#stop(victim.name, true, done))
        break
      case 'crash':
      case 'silent-crash':
        if (victim === undefined) break
        this.#cluster.kill(victim.name, fault.kind === 'silent-crash')
        until(() => this.#startIfWanted(victim.name))
        break
      case 'crash-in-place':
        if (victim === undefined) break
        this.#cluster.kill(victim.name)
        clock.after(100 + fault.secondDraw * 1500, () => {
          if (!this.#healed) this.#startIfWanted(victim.name, victim)
        })
        break
      case 'pause':
        if (victim !== undefined) this.#pauseFor(victim, fault.forMs)
        break
      case 'split': {
        const side = (name: string): boolean => ((Number(name.at(-1)) + 1) * (1 + Math.floor(fault.draw * 30))) % 7 < 3
        this.#cutFor(fault.forMs, (from, to) => side(from) !== side(to))
        break
      }
      case 'deaf':
        if (victim !== undefined) this.#cutFor(fault.forMs, (_from, to) => to === victim.name)
        break
      case 'one-way':
        if (victim !== undefined) this.#cutFor(fault.forMs, (from) => from === victim.name)
        break
      case 'exile':
        if (victim === undefined) break
        if (fault.secondDraw < 0.3) this.#pauseFor(victim, fault.forMs)
        else this.#cutFor(fault.forMs, (from, to) => from === victim.name || to === victim.name)
        break
      case 'pair':
        if (victim === undefined || other === undefined) break
        this.#cutFor(fault.forMs, (from, to) => [from, to].includes(victim.name) && [from, to].includes(other.name))
        break
      case 'reset':
        for (const life of this.#cluster.lives.values()) if (victim !== undefined) network.reset(victim.host, life.host)
        break
      case 'storm': {
        const worst = this.#plan.strict.flawless ? 0.1 : 1
        this.#calm(fault.draw * worst)
        until(() => this.#calm(0))
        break
      }
      case 'jump':
        if (victim !== undefined) this.#cluster.setWallOffset(victim.name, Math.floor((fault.secondDraw - 0.5) * 2 * HOUR_MS))
        break
      case 'platform-away':
        platform.away = true
        until(() => {
          platform.away = false
        })
        break
    }
  }

  #pauseFor(life: Life, ms: number): void {
    if (this.#cluster.isStopping(life)) return
    life.clock.pause()
    this.#paused.add(life)
    this.#cluster.clock.after(ms, () => {
      if (!this.#healed) this.#resume(life)
    })
  }

  #resume(life: Life): void {
    this.#paused.delete(life)
    this.#resumedMs.set(life, this.#cluster.clock.now())
    life.clock.resume()
  }

  #pick(draw: number, not: readonly Life[]): Life | undefined {
    const lives = [...this.#cluster.lives.values()].filter((life) => !not.includes(life))
    return lives[Math.floor(draw * lives.length)]
  }

  /** The network as planned, and worse by `storm`, 0 to 1. */
  #calm(storm: number): void {
    const { loss, duplication, maxDelayMs } = this.#plan
    this.#cluster.network.options = {
      minDelayMs: 0.2,
      maxDelayMs: maxDelayMs + storm * 200,
      loss: this.#healed ? 0 : Math.min(0.9, loss + storm * 0.4),
      duplication,
    }
  }

  #cutFor(ms: number, cut: Cut): void {
    this.#cuts.add(cut)
    this.#applyCuts()
    this.#cluster.clock.after(ms, () => {
      if (this.#cuts.delete(cut)) this.#applyCuts()
    })
  }

  #applyCuts(): void {
    const { lives, network } = this.#cluster
    for (const from of lives.values()) {
      for (const to of lives.values()) {
        if (from !== to && this.isCut(from.name, to.name)) network.cut(from.host, to.host)
        else network.join(from.host, to.host)
      }
    }
  }

  #start(name: string, wallOffsetMs?: number, inPlaceOf?: Life): void {
    this.#cluster.start(name, {
      ...(wallOffsetMs === undefined ? {} : { wallOffsetMs }),
      ...(inPlaceOf === undefined ? {} : { inPlaceOf }),
    })
    this.#applyCuts()
  }

  #startIfWanted(name: string, inPlaceOf?: Life): void {
    const { lives, platform } = this.#cluster
    const wanted = Array.from({ length: platform.replicas }, (_, ordinal) => platform.nameOf(ordinal)).includes(name)
    if (wanted && !lives.has(name)) this.#start(name, undefined, inPlaceOf)
  }

  #move(begin: (done: () => void) => void): void {
    this.#moves++
    begin(() => {
      this.#moves--
    })
  }

  /** Calls `then` when all wanted members are there and ready, and none stands still; or when patience ends. */
  #whenReady(then: () => void): void {
    const { clock, lives, platform } = this.#cluster
    const untilMs = clock.now() + PATIENCE_MS
    const look = (): void => {
      const all = Array.from({ length: platform.replicas }, (_, ordinal) => lives.get(platform.nameOf(ordinal)))
      const ready = all.every((life) => life !== undefined && !this.#cluster.isStopping(life) && !life.clock.paused && life.node.ready().ok)
      if (ready || clock.now() > untilMs) then()
      else clock.after(LOOK_MS, look)
    }
    look()
  }

  /** Stops a pod in order once the others are ready, and starts its successor if there is to be one. */
  #stop(name: string, again: boolean, done: () => void): void {
    this.#whenReady(() => {
      const life = this.#cluster.lives.get(name)
      if (life === undefined || this.#cluster.isStopping(life) || life.clock.paused || this.#cluster.lives.size < 2) {
        done()
        return
      }
      this.#cluster.stop(name, () => {
        if (again) this.#startIfWanted(name)
        done()
      })
    })
  }

  #roll(): void {
    this.#move((done) => {
      const next = (ordinal: number): void => {
        if (ordinal < 0) done()
        else this.#stop(this.#cluster.platform.nameOf(ordinal), true, () => next(ordinal - 1))
      }
      next(this.#cluster.platform.replicas - 1)
    })
  }

  #scaleUp(by: number): void {
    const { platform } = this.#cluster
    const replicas = Math.min(platform.replicas + by, this.#plan.nodes + 2)
    const before = platform.replicas
    platform.scale(replicas)
    for (let ordinal = before; ordinal < replicas; ordinal++) {
      const name = platform.nameOf(ordinal)
      if (!this.#cluster.lives.has(name)) this.#start(name, this.#plan.wallOffsetsMs[ordinal])
    }
  }

  #scaleDown(by: number): void {
    this.#move((done) => {
      this.#whenReady(() => {
        const { lives, platform } = this.#cluster
        const replicas = Math.max(2, platform.replicas - by)
        const before = platform.replicas
        platform.scale(replicas)
        let open = 1
        const finish = (): void => {
          if (--open === 0) done()
        }
        for (let ordinal = replicas; ordinal < before; ordinal++) {
          const name = platform.nameOf(ordinal)
          const life = lives.get(name)
          if (life === undefined || this.#cluster.isStopping(life)) continue
          open++
          this.#cluster.stop(name, finish)
        }
        finish()
      })
    })
  }
}
