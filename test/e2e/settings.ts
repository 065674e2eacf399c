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
  /** How long each of the two rolls under load takes. */
  readonly rollSeconds: number
  /** Only scenarios with this in their name, and those that they stand on; empty: all. */
  readonly only: string
  /** A file for the report as JSON; `null`: none. */
  readonly reportPath: string | null
}

export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const text = (name: string) => env[name]?.trim() || null
  const ingressUrl = text('E2E_INGRESS_URL') ?? 'http://localhost:8080/'
  return {
    image: text('E2E_IMAGE') ?? 'jackdaw:dev',
    ingressUrl,
    loadUrl: text('E2E_CLIENT_URL') ?? ingressUrl,
    loadPrefix: text('E2E_CLIENT') ?? '',
    kill: text('E2E_KILL'),
    api: text('E2E_API'),
    rollSeconds: Number(text('E2E_ROLL_SECONDS') ?? 180),
    only: text('E2E_ONLY') ?? '',
    reportPath: text('E2E_REPORT'),
  }
}
