/** Where a member's faces listen: told to the others by gossip, shown to clients, who go there. */
export interface FacePorts {
  readonly http: number
  readonly resp: number
  /** RESP for clients that know of clusters: see gateway/resp/router.ts. */
  readonly cluster: number
  readonly text: number
  readonly grpc: number
}

/** Of a member whose faces do not listen yet, or of a version that does not tell. */
export const NO_PORTS: FacePorts = { http: 0, resp: 0, cluster: 0, text: 0, grpc: 0 }
