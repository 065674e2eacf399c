/**
 * Discovery: whom to ask at first, and what the platform knows about members.
 *
 * It informs and never decides: an empty or silent source removes nobody (design, "Kubernetes informs, gossip decides"). Sources: a static list
 * (static.ts), a DNS name (dns.ts) and the Kubernetes API (kubernetes.ts).
 */
import type { Address } from '../transport/transport.ts'

/** One member that the source believes to exist or to be about to. */
export interface Candidate {
  /** `null` where the source knows addresses only, and this is not the member itself. */
  readonly name: string | null
  /** Where its gossip would be reached; `null` while it has no address. */
  readonly address: Address | null
  /** The pod's UID; empty where the source has none. */
  readonly uid: string
  /** The platform knows that no process of this name runs (a pod not scheduled, not started, or failed). */
  readonly knownNotRunning: boolean
  /** The platform has asked it to stop (`deletionTimestamp`). */
  readonly stopping: boolean
}

export interface DiscoverySnapshot {
  readonly candidates: readonly Candidate[]
  /** Names that are meant to exist, this member included: the ordinals below `spec.replicas`, or the static list. */
  readonly wanted: readonly string[]
  /** False until the source has been heard once: then `candidates` and `wanted` are empty and mean nothing. */
  readonly heard: boolean
}

export interface DiscoveryEvents {
  /** The whole picture, after each change. Candidates that vanished because the source was silent stay. */
  changed(snapshot: DiscoverySnapshot): void
  /** A fact: the pod with this UID no longer exists. */
  gone(name: string, uid: string): void
}

export interface Discovery {
  /** Begins to look. Callbacks come later, never from inside this call; an exception in one is logged and does not end the source. */
  start(events: DiscoveryEvents): void
  /** No callback comes after this returns. */
  close(): void
}
