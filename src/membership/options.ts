/** The figures of membership, all of them. The defaults find a dead pod among 3 to 5 in about 2.5 s. */
export interface SwimOptions {
  /** One member is probed in each. Lower finds dead members sooner and costs packets; an unwell member stretches it up to 8 times. */
  readonly probeIntervalMs: number
  /** Bounds of the wait for a direct ack, which is otherwise three times the slowest of the last round trips. */
  readonly minProbeTimeoutMs: number
  readonly maxProbeTimeoutMs: number
  /** How many others are asked to probe a member that did not answer. */
  readonly indirectProbes: number
  /** The shortest trial of a suspect: this times log10(max(10, members)) probe intervals. */
  readonly suspicionMultiplier: number
  /** The longest trial is this times the shortest. */
  readonly suspicionMaxMultiplier: number
  readonly gossipIntervalMs: number
  /** Members that are told in each gossip round. */
  readonly gossipPeers: number
  /** News is sent this times ceil(log10(members + 1)) times by each member. */
  readonly retransmitMultiplier: number
  readonly pushPullIntervalMs: number
  /** For a push/pull and for the fallback ping. */
  readonly exchangeTimeoutMs: number
  /** At leisure, one dead member and the unmet seeds are announced to after this to twice this. */
  readonly announceIntervalMs: number
  /** A gap between two turns over this means that this process stood still. */
  readonly pauseMs: number
  /** A change of nothing but the table version is published at most once in this. */
  readonly tableVersionIntervalMs: number
  /** Between two gossip rounds out of turn. */
  readonly promptGossipIntervalMs: number
  /** When the thread that serves the data has not run for so long, acks say so. */
  readonly hungMs: number
  /** And after so long this member falls silent, so that the others take over what it holds. Above any pause of the garbage collector. */
  readonly hungSilentMs: number
  /** Between two probes of one name that were asked for by `hintUnreachable`. */
  readonly hintIntervalMs: number
}

export const DEFAULT_SWIM_OPTIONS: SwimOptions = {
  probeIntervalMs: 500,
  minProbeTimeoutMs: 200,
  maxProbeTimeoutMs: 400,
  indirectProbes: 3,
  suspicionMultiplier: 3,
  suspicionMaxMultiplier: 4,
  gossipIntervalMs: 100,
  gossipPeers: 3,
  retransmitMultiplier: 4,
  pushPullIntervalMs: 15_000,
  exchangeTimeoutMs: 2_000,
  announceIntervalMs: 5_000,
  pauseMs: 1_000,
  tableVersionIntervalMs: 50,
  promptGossipIntervalMs: 20,
  hungMs: 1_000,
  hungSilentMs: 5_000,
  hintIntervalMs: 200,
}
