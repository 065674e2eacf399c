/**
 * Whether Kubernetes itself is at work. Its controllers and kubelets ask an API server that was away again after up to 30 s, doubled at random, each watch
 * by itself: until then new pods are in no EndpointSlice, an ingress sends requests to pods that are gone, and deleted pods are not told to stop. That says
 * nothing about the product, so no scenario begins before it is over.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from './command.ts'
import type { Kube } from './kube.ts'

const AWAKE_WITHIN_MS = 240_000
const PROBE = 'e2e-probe'

/**
 * Starts a pod on every worker and a Service over them, waits until its EndpointSlice lists all, deletes them and waits until they and the slice are gone.
 * Resolves with the seconds it took.
 */
export async function controlPlaneAwake(kube: Kube, image: string): Promise<number> {
  const workers = (await run('kubectl', ['get', 'nodes', '--output', 'jsonpath={.items[*].metadata.name}'])).trim().split(' ')
  const startedAt = performance.now()
  const until = async (what: string, done: () => Promise<boolean>): Promise<void> => {
    while (!(await done())) {
      if (performance.now() - startedAt > AWAKE_WITHIN_MS) throw new Error(`after ${AWAKE_WITHIN_MS} ms, ${what}`)
      await sleep(1_000)
    }
  }
  const listed = async (kinds: string, path: string): Promise<readonly string[]> =>
    (await kube.kubectl(['get', kinds, '--selector', `app=${PROBE}`, '--output', `jsonpath={.items[*]${path}}`])).split(' ').filter(Boolean)

  const items = [service(), ...workers.map((worker) => pod(worker, image))]
  await kube.kubectl(['apply', '--filename', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) })
  await until(
    'no EndpointSlice lists a pod of every worker',
    async () => (await listed('endpointslices', '.endpoints[?(@.conditions.ready==true)].targetRef.name')).length === workers.length,
  )
  await kube.kubectl(['delete', 'pods,services', '--selector', `app=${PROBE}`, '--wait=false'])
  await until(
    'deleted pods, or their EndpointSlice, are there',
    async () => (await listed('pods,endpointslices', '.metadata.name')).length === 0,
  )
  return (performance.now() - startedAt) / 1000
}

function service(): object {
  return { apiVersion: 'v1', kind: 'Service', metadata: metadata(PROBE), spec: { selector: { app: PROBE }, ports: [{ port: 80 }] } }
}

/** Of the image that the nodes have in any case. */
function pod(worker: string, image: string): object {
  const container = {
    name: 'probe',
    image,
    command: ['node', '--eval', 'setInterval(() => {}, 60_000)'],
    resources: { requests: { cpu: '5m', memory: '16Mi' } },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: metadata(`${PROBE}-${worker}`),
    spec: {
      nodeName: worker,
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [container],
    },
  }
}

function metadata(name: string): object {
  return { name, labels: { app: PROBE } }
}
