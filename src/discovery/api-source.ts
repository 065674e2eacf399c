/**
 * What discovery asks of the Kubernetes API: one page of a list, and a watch. Nothing else is ever called, so the verbs `list` and `watch` on
 * pods and StatefulSets of one namespace are all the permission it takes.
 *
 * kubernetes.ts implements it with the real client; list-watch.ts drives it and keeps every deadline, since implementations have no clock.
 * Callbacks come in a later turn of the event loop, never from inside the call that causes them, and never after `abort`.
 */

/** One collection of the API, narrowed by a selector. */
export interface ApiCollection {
  /** Path below the server's address, for example `/api/v1/namespaces/default/pods`. */
  readonly path: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

/** Why a call did not bring what was asked. */
export interface ApiFailure {
  /** The HTTP status; 0 if there was no answer, or one that could not be read. */
  readonly status: number
  readonly message: string
}

export interface ApiPage {
  /** As they came: nothing about their shape is promised. */
  readonly items: readonly unknown[]
  /** Where a watch goes on from. The same on every page of one list. */
  readonly resourceVersion: string
  /** The token for the next page; empty on the last one. */
  readonly continueToken: string
}

export interface ApiEvent {
  /** `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`, `ERROR`, or what later versions of the API may add. */
  readonly type: string
  readonly object: unknown
}

export interface WatchHandlers {
  /** The server accepted the watch. Called at most once, before any event. */
  opened(): void
  event(event: ApiEvent): void
  /** The watch is over: `null` if the server ended it in order. Called once, last. */
  ended(failure: ApiFailure | null): void
}

/** A call that is under way. */
export interface ApiCall {
  /** Gives it up and frees its connection. Safe to call twice, and after the end. */
  abort(): void
}

export interface ApiSource {
  /** Asks for up to `limit` items, from the start (`continueToken` empty) or from where the last page stopped. `done` is called once. */
  list(collection: ApiCollection, limit: number, continueToken: string, done: (result: ApiPage | ApiFailure) => void): ApiCall
  /** Asks for what happened after `resourceVersion`, with bookmarks. The server is asked to end the watch after `timeoutSeconds`. */
  watch(collection: ApiCollection, resourceVersion: string, timeoutSeconds: number, handlers: WatchHandlers): ApiCall
}
