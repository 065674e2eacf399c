/**
 * Clients of RESP, text and gRPC inside the cluster, where such clients live: the ingress speaks HTTP, and the Services of these ports need not be reachable
 * from outside. They run in a pod of the image under test (faces/program.ts as one file, by way of a ConfigMap), and check their keys while something
 * happens to the cache.
 *
 * A pod that stops has to let them go: every connection is made anew at least once when every pod was replaced, and no request fails by it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { complaints } from './checking-client.ts'
import type { FaceResult } from './faces/program.ts'
import type { Kube } from './kube.ts'
import type { Context } from './scenario.ts'

const PROGRAM = fileURLToPath(new URL('faces/program.ts', import.meta.url))
const NAME = 'e2e-clients'
const STARTED_WITHIN_MS = 60_000
/** For the last reads of all keys. */
const ENDED_WITHIN_MS = 60_000
const POLL_MS = 500

/**
 * Runs `event`, which replaces every pod, with these clients beside it. Throws unless the event succeeded, every answer was right, and every client had to
 * connect anew.
 */
export async function whileFacesAreChecked({ kube, settings, note }: Context, event: () => Promise<void>): Promise<void> {
  await remove(kube)
  await kube.kubectl(['create', '--filename', '-'], { input: JSON.stringify(await manifest(kube, settings.image)) })
  const trouble: string[] = []
  try {
    await said(kube, 'checking', STARTED_WITHIN_MS)
    await event().catch((error: unknown) => trouble.push(String(error)))
    const results = await end(kube)
    for (const [face, result] of Object.entries(results)) {
      const { writes, reads, connections, repeats, workers } = result
      const crossed = `${connections - workers} connections made anew, ${repeats} requests sent again`
      note(`checked beside it over ${face}`, `${writes} writes and ${reads} reads, ${crossed}`)
      trouble.push(...complaints(`the ${face} clients`, result))
      if (connections < 2 * workers)
        trouble.push(`${workers} ${face} clients made ${connections} connections, though every pod was replaced`)
    }
  } finally {
    await remove(kube)
  }
  if (trouble.length > 0) throw new Error(trouble.join('\n'))
}

/** Asks it to stop, and resolves with what it saw. */
async function end(kube: Kube): Promise<Readonly<Record<string, FaceResult>>> {
  await kube.kubectl(['exec', NAME, '--', 'node', '--eval', "process.kill(1, 'SIGTERM')"])
  return JSON.parse(await said(kube, '{', ENDED_WITHIN_MS))
}

/** Resolves with the line of its log that begins so. */
async function said(kube: Kube, beginning: string, withinMs: number): Promise<string> {
  const giveUpAt = performance.now() + withinMs
  for (;;) {
    const log = await kube.kubectl(['logs', NAME]).catch((error: unknown) => `not to be had: ${error}`)
    const line = log.split('\n').find((one) => one.startsWith(beginning))
    if (line !== undefined) return line
    if (performance.now() > giveUpAt) {
      throw new Error(`the clients in the pod did not say ${beginning} within ${withinMs} ms; their log:\n${log.slice(-2_000)}`)
    }
    await sleep(POLL_MS)
  }
}

async function remove(kube: Kube): Promise<void> {
  await kube.kubectl(['delete', `pod/${NAME}`, `configmap/${NAME}`, '--ignore-not-found', '--wait', '--timeout=50s'], { timeoutMs: 60_000 })
}

async function manifest(kube: Kube, image: string): Promise<object> {
  const metadata = { name: NAME }
  const services = { E2E_RESP: `${kube.name}:6379`, E2E_TEXT: `${kube.name}:31337`, E2E_GRPC: `${kube.name}-grpc:50051` }
  const container = {
    name: NAME,
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['node', '/program/program.mjs'],
    env: Object.entries(services).map(([name, value]) => ({ name, value })),
    resources: { requests: { cpu: '50m', memory: '128Mi' } },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    volumeMounts: [{ name: 'program', mountPath: '/program' }],
  }
  const pod = {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 5,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: { runAsNonRoot: true, runAsUser: 65_532, runAsGroup: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [container],
    volumes: [{ name: 'program', configMap: { name: NAME } }],
  }
  const items = [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'program.mjs': await bundled() } },
    { apiVersion: 'v1', kind: 'Pod', metadata, spec: pod },
  ]
  return { apiVersion: 'v1', kind: 'List', items }
}

/** The program as one file, within the megabyte that a ConfigMap takes. Packages written as CommonJS call `require` for Node's own modules. */
async function bundled(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [PROGRAM],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node26',
    charset: 'utf8',
    banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
    logLevel: 'warning',
  })
  return outputFiles[0]?.text ?? ''
}
