/**
 * A release of the chart, in the words that the scenarios use. Each has a host name of its own at the ingress, so that several stand beside each other.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { run } from './command.ts'
import { IngressClient } from './ingress-client.ts'
import { Kube } from './kube.ts'
import type { Context } from './scenario.ts'
import type { Settings } from './settings.ts'

export const CHART = fileURLToPath(new URL('../../charts/jackdaw', import.meta.url))
const WAIT_SECONDS = 120
/** Between readiness and the ingress sending traffic. */
const INGRESS_WITHIN_MS = 20_000
const CONNECTIONS = 12
const READ_TIMEOUT_MS = 10_000

export class Release {
  readonly kube: Kube
  /** Name at the ingress. */
  readonly host: string
  readonly client: IngressClient
  readonly #name: string

  constructor(settings: Settings, namespace: string, name: string = 'jackdaw') {
    this.kube = new Kube(settings.image, namespace, name)
    this.#name = name
    this.host = `${name}.${namespace}.example.com`
    this.client = new IngressClient(settings.ingressUrl, CONNECTIONS, READ_TIMEOUT_MS, this.host)
  }

  /** Installs it, waits until all pods are ready and, unless the values say otherwise, the ingress answers. `values` are as `--set` has them. */
  async install(image: string, values: readonly string[], chart: string = CHART): Promise<void> {
    await this.#helm([
      'install',
      this.#name,
      chart,
      '--set',
      `ingress.host=${this.host}`,
      ...setting([...imageTag(image), ...values]),
      ...WAITING,
    ])
  }

  /** Installs it with a file of values and nothing else but the image. */
  async installFile(image: string, path: string): Promise<void> {
    await this.#helm(['install', this.#name, CHART, '--values', path, ...setting(imageTag(image)), ...WAITING])
  }

  /** Keeps earlier values, and waits for every pod. */
  async upgrade(values: readonly string[]): Promise<void> {
    await this.#helm(['upgrade', this.#name, CHART, '--reset-then-reuse-values', ...setting(values), ...WAITING])
  }

  /** The same without waiting. */
  async beginUpgrade(values: readonly string[]): Promise<void> {
    await this.#helm(['upgrade', this.#name, CHART, '--reset-then-reuse-values', ...setting(values)])
  }

  async rollback(): Promise<void> {
    await this.#helm(['rollback', this.#name, ...WAITING])
  }

  /** `helm test`; resolves with what Helm printed. */
  test(): Promise<string> {
    return this.#helm(['test', this.#name, '--timeout', `${WAIT_SECONDS}s`])
  }

  /** Uninstalls it and waits for the pods to go. */
  async uninstall(): Promise<void> {
    await this.#helm(['uninstall', this.#name, ...WAITING])
    await this.kube.kubectl(['wait', '--for=delete', 'pod', '--selector', this.kube.selector, `--timeout=${WAIT_SECONDS}s`], {
      timeoutMs: (WAIT_SECONDS + 10) * 1000,
    })
  }

  /**
   * Resolves once what the ingress answers comes from this release. Where it has no route for the host yet, or no pod behind it, an Ingress without a host,
   * of another release, is asked in its place.
   */
  async reachable(): Promise<void> {
    const [pod = ''] = await this.kube.pods()
    const [key, value] = [`e2e-${randomUUID()}`, randomUUID()]
    await this.kube.putKey(pod, key, value)
    const giveUpAt = performance.now() + INGRESS_WITHIN_MS
    for (;;) {
      const { status, body } = await this.client.get(`v1/${key}`)
      if (status === 200 && body === value) break
      if (performance.now() > giveUpAt) throw new Error(`the ingress answers ${status} ${body.slice(0, 200)} for ${this.host}`)
      await sleep(250)
    }
    await this.kube.takeKey(pod, key)
  }

  #helm(args: readonly string[]): Promise<string> {
    return run('helm', [...args, '--namespace', this.kube.namespace], { timeoutMs: (WAIT_SECONDS + 10) * 1000 })
  }
}

const WAITING = ['--wait', '--timeout', `${WAIT_SECONDS}s`]

/** Values for an image as `docker` names it. */
export function imageTag(image: string): readonly string[] {
  const [repository = '', tag = 'latest'] = image.split(/:(?=[^/]*$)/)
  return [`image.repository=${repository}`, `image.tag=${tag}`]
}

function setting(values: readonly string[]): readonly string[] {
  return values.flatMap((value) => ['--set', value])
}

/** Runs `event` in a namespace made for it, which is gone afterwards. What it fails with tells what was in the namespace. */
export async function inNamespace(settings: Settings, namespace: string, event: () => Promise<void>): Promise<void> {
  const kube = new Kube(settings.image, namespace)
  await kube.dropNamespace(namespace)
  await kube.makeNamespace(namespace)
  try {
    await event()
  } catch (error) {
    throw new Error(`${(error as Error).stack}\n${await kube.diagnosis()}`)
  } finally {
    await kube.dropNamespace(namespace)
  }
}

/** Installs a release with the image under test in a namespace of its own, runs `event`, and removes both. */
export async function withRelease(
  context: Context,
  namespace: string,
  options: { readonly image?: string; readonly chart?: string; readonly values?: readonly string[] },
  event: (release: Release) => Promise<void>,
): Promise<void> {
  const { settings } = context
  await inNamespace(settings, namespace, async () => {
    const release = new Release(settings, namespace)
    try {
      await release.install(options.image ?? settings.image, options.values ?? [], options.chart)
      await release.reachable()
      await event(release)
    } finally {
      release.client.close()
    }
  })
}
