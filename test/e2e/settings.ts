/**
 * What the environment tells the Kubernetes test. KUBECONFIG, and kubectl, helm and fortio on the PATH, are needed in any case; what only the
 * owner of a cluster can do comes as commands.
 */
export interface Settings {
  /** The image, already in the nodes. */
  readonly image: string
  /** The ingress from where this process runs; ends with a slash. */
  readonly ingressUrl: string
  /** The ingress from where fortio runs. */
  readonly loadUrl: string
  /** Shell words before fortio's own command, to run it elsewhere; may be empty. */
  readonly loadPrefix: string
  /** Shell words to which a pod's name is added: SIGKILL its processes. `null`: the pod is deleted with force instead. */
  readonly kill: string | null
  /** Shell words to which `stop` or `start` is added. `null`: the scenario without the API server is left out. */
  readonly api: string | null
  /** How long it is away. */
  readonly apiAwaySeconds: number
  /** Shell words to which a node's name and `crash`, `start`, `cut` or `join` are added. `null`: scenarios with such nodes are left out. */
  readonly node: string | null
  /** The image of an earlier version, already in the nodes. `null`: nothing is upgraded from it. */
  readonly previousImage: string | null
  /** The chart of that version; `null`: this one. */
  readonly previousChart: string | null
  /** Shell words that print the paths of definitions of kinds that the chart can make and the cluster may lack. `null`: those are not checked. */
  readonly definitions: string | null
  /** Whether the long scenarios run too. */
  readonly full: boolean
  /** How long the load of each roll under load lasts. */
  readonly rollSeconds: number
  /** Only scenarios with one of these in their name, and those that they stand on; empty: all. */
  readonly only: readonly string[]
  /** A file for the report as JSON; `null`: none. */
  readonly reportPath: string | null
}

export function readSettings(env: NodeJS.ProcessEnv, args: readonly string[]): Settings {
  const text = (name: string) => env[name]?.trim() || null
  const ingressUrl = text('E2E_INGRESS_URL') ?? 'http://localhost:8080/'
  const full = args.includes('--full')
  return {
    image: text('E2E_IMAGE') ?? 'jackdaw:dev',
    ingressUrl,
    loadUrl: text('E2E_CLIENT_URL') ?? ingressUrl,
    loadPrefix: text('E2E_CLIENT') ?? '',
    kill: text('E2E_KILL'),
    api: text('E2E_API'),
    apiAwaySeconds: Number(text('E2E_API_AWAY_SECONDS') ?? (full ? 300 : 60)),
    node: text('E2E_NODE'),
    previousImage: text('E2E_PREVIOUS_IMAGE'),
    previousChart: text('E2E_PREVIOUS_CHART'),
    definitions: text('E2E_DEFINITIONS'),
    full,
    rollSeconds: Number(text('E2E_ROLL_SECONDS') ?? 180),
    only: (text('E2E_ONLY') ?? '').split(','),
    reportPath: text('E2E_REPORT'),
  }
}
