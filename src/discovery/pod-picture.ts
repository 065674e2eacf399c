/**
 * PodPicture: what the Kubernetes API has said so far about one StatefulSet, reduced to candidates, wanted names and facts.
 *
 * Pure: it is fed complete lists and single events, and answers whether the picture changed and which pods are gone. The last word of a silent
 * source stands, so nothing here ever times out.
 *
 * A fact (`Gone`) binds its subject for good, so it is told on proof only:
 * - the API says that the pod with this UID was deleted;
 * - the API shows another UID under the same name (a namespace holds a name once);
 * - a complete list lacks a UID that was there before.
 * A list is believed only if it contains our own pod, which is alive, since it is running this: one that does not was answered by a server that
 * has lost its state, or was asked with the wrong selector. It may add and update, and proves nothing. Once proven a fact stays true, so it may
 * be told twice.
 *
 * To the API, a pod whose label no longer matches the selector looks deleted, and it does so here: who takes the label away takes the member
 * out of the cluster. A pod that lost its owner reference (a StatefulSet deleted with `--cascade=orphan`) stays what it was.
 */
import { isIP } from 'node:net'
import type { Address } from '../transport/transport.ts'
import type { Candidate, DiscoverySnapshot } from './discovery.ts'

/** Ordinals beyond this are not believed: the names are made into a list. */
const MAX_REPLICAS = 4096

export interface PodPictureOptions {
  /** Name of the StatefulSet whose pods count. Pods that the selector also finds, but which it does not own, are strangers. */
  readonly statefulSet: string
  /** UID of the pod that runs this: the touchstone of every list. */
  readonly selfUid: string
  /** Where each pod's gossip listens. */
  readonly gossipPort: number
}

/** The pod with this UID no longer exists. */
export interface Gone {
  readonly name: string
  readonly uid: string
}

export interface PictureChange {
  /** The snapshot is not what it was. */
  readonly changed: boolean
  readonly gone: readonly Gone[]
}

export interface ListChange extends PictureChange {
  /** The list contained our own pod, and every item had a UID. */
  readonly believed: boolean
}

/** A candidate of this source always has a name. */
interface Pod extends Candidate {
  readonly name: string
}

const UNCHANGED: PictureChange = { changed: false, gone: [] }

/** The parts of a pod that matter. Whatever the server sends may lack any of them. */
interface PodObject {
  readonly metadata?: {
    readonly name?: unknown
    readonly uid?: unknown
    readonly deletionTimestamp?: unknown
    readonly ownerReferences?: readonly { readonly kind?: unknown; readonly name?: unknown }[]
  }
  readonly status?: {
    readonly phase?: unknown
    readonly podIP?: unknown
    readonly containerStatuses?: readonly ContainerStatus[]
  }
}

interface ContainerStatus {
  readonly restartCount?: unknown
  readonly state?: { readonly running?: unknown; readonly terminated?: unknown }
  readonly lastState?: { readonly terminated?: unknown }
}

interface StatefulSetObject {
  readonly metadata?: { readonly name?: unknown }
  readonly spec?: { readonly replicas?: unknown; readonly ordinals?: { readonly start?: unknown } }
}

export class PodPicture {
  readonly #statefulSet: string
  readonly #selfUid: string
  readonly #gossipPort: number
  /** By name: a namespace holds a name once. */
  readonly #pods = new Map<string, Pod>()
  /** A list was believed. */
  #podsListed = false
  /** `null` until the StatefulSet has been seen. */
  #wanted: readonly string[] | null = null

  /** Throws a `RangeError` if the own UID is empty: no list could ever be believed. */
  constructor(options: PodPictureOptions) {
    if (options.selfUid === '') throw new RangeError('the UID of the own pod must be known')
    this.#statefulSet = options.statefulSet
    this.#selfUid = options.selfUid
    this.#gossipPort = options.gossipPort
  }

  /** Heard means both: the pods without the size of their set would make every ordinal look unwanted. */
  snapshot(): DiscoverySnapshot {
    if (!this.#podsListed || this.#wanted === null) return { candidates: [], wanted: [], heard: false }
    return { candidates: [...this.#pods.values()], wanted: this.#wanted, heard: true }
  }

  /** `items` is all that the selector finds, strangers included. O(items + known pods). */
  podsListed(items: readonly unknown[]): ListChange {
    const uids = items.map(readUid)
    const present = new Set(uids)
    const believed = present.has(this.#selfUid) && !present.has(null)
    let changed = believed && !this.#podsListed
    this.#podsListed ||= believed
    const gone: Gone[] = []
    if (believed) {
      for (const { name, uid } of [...this.#pods.values()]) {
        if (present.has(uid)) continue
        this.#pods.delete(name)
        gone.push({ name, uid })
        changed = true
      }
    }
    for (const item of items) {
      const pod = this.#read(item)
      if (pod === null) continue
      // Only a list that is not believed can still contradict a known UID here; what it says instead waits for a better witness.
      const known = this.#pods.get(pod.name)
      if (known !== undefined && (known.uid !== pod.uid || isSame(known, pod))) continue
      this.#pods.set(pod.name, pod)
      changed = true
    }
    return { changed, gone, believed }
  }

  /** `ADDED` or `MODIFIED`. */
  podSeen(object: unknown): PictureChange {
    const pod = this.#read(object)
    if (pod === null) return UNCHANGED
    const known = this.#pods.get(pod.name)
    if (known !== undefined && isSame(known, pod)) return UNCHANGED
    this.#pods.set(pod.name, pod)
    return { changed: true, gone: known === undefined || known.uid === pod.uid ? [] : [{ name: known.name, uid: known.uid }] }
  }

  /** `DELETED`. */
  podDeleted(object: unknown): PictureChange {
    const pod = this.#read(object)
    if (pod === null) return UNCHANGED
    // The name may already belong to the next pod: that one stays.
    const changed = this.#pods.get(pod.name)?.uid === pod.uid
    if (changed) this.#pods.delete(pod.name)
    return { changed, gone: [{ name: pod.name, uid: pod.uid }] }
  }

  /**
   * Any event of the StatefulSet. Its deletion carries its last size, and that stands: its pods may be meant to live on, and if they are not,
   * each of them is deleted by itself.
   */
  statefulSetSeen(object: unknown): PictureChange {
    const { metadata, spec } = (object ?? {}) as StatefulSetObject
    if (metadata?.name !== this.#statefulSet) return UNCHANGED
    // The server fills in the default: an object without a size is a broken one, and must not pass for a set of one.
    const replicas = spec?.replicas
    const first = spec?.ordinals?.start ?? 0
    if (!isCount(replicas) || !isCount(first) || replicas > MAX_REPLICAS) return UNCHANGED
    const wanted = Array.from({ length: replicas }, (_, index) => `${this.#statefulSet}-${first + index}`)
    if (this.#wanted !== null && this.#wanted.length === wanted.length && this.#wanted[0] === wanted[0]) return UNCHANGED
    this.#wanted = wanted
    return { changed: true, gone: [] }
  }

  /** `null` for a stranger, and for what cannot be read. */
  #read(object: unknown): Pod | null {
    const { metadata, status } = (object ?? {}) as PodObject
    const name = metadata?.name
    const uid = readUid(object)
    if (typeof name !== 'string' || name === '' || uid === null) return null
    if (this.#pods.get(name)?.uid !== uid && !this.#owns(metadata?.ownerReferences)) return null
    const finished = status?.phase === 'Succeeded' || status?.phase === 'Failed'
    return {
      name,
      // The address of a pod that has finished may by now be another pod's.
      address: finished ? null : this.#address(status?.podIP),
      uid,
      knownNotRunning: finished || (status?.phase === 'Pending' && !hasRun(status.containerStatuses)),
      stopping: typeof metadata?.deletionTimestamp === 'string',
    }
  }

  #owns(references: unknown): boolean {
    if (!Array.isArray(references)) return false
    return references.some((reference) => reference?.kind === 'StatefulSet' && reference.name === this.#statefulSet)
  }

  #address(ip: unknown): Address | null {
    if (typeof ip !== 'string') return null
    const family = isIP(ip)
    if (family === 0) return null
    return `${family === 6 ? `[${ip}]` : ip}:${this.#gossipPort}`
  }
}

function readUid(object: unknown): string | null {
  const uid = (object as PodObject | null | undefined)?.metadata?.uid
  return typeof uid === 'string' && uid !== '' ? uid : null
}

/** A pod stays `Pending` until its last container has started: with a sidecar that is slow, ours may long be running. */
function hasRun(containers: unknown): boolean {
  if (!Array.isArray(containers)) return false
  return containers.some(
    (container: ContainerStatus | null) =>
      container?.state?.running !== undefined ||
      container?.state?.terminated !== undefined ||
      container?.lastState?.terminated !== undefined ||
      (container?.restartCount ?? 0) !== 0,
  )
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isSame(a: Candidate, b: Candidate): boolean {
  return a.uid === b.uid && a.address === b.address && a.knownNotRunning === b.knownNotRunning && a.stopping === b.stopping
}
