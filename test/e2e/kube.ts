/**
 * kubectl in the namespace of the test, in the words that the scenarios use.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type CommandOptions, run } from './command.ts'

export const NAMESPACE = 'jackdaw-e2e'
const MANIFEST = fileURLToPath(new URL('../../deploy.yaml', import.meta.url))
/**
 * How long pods may take to go. A node's kubelet can be minutes late in hearing of a deletion after its API server was away: seen once, with pods that
 * were never asked to stop and stayed ready for 90 s.
 */
const GONE_SECONDS = 240

/** The strictest of Kubernetes' own rules for pods: the chart has to pass under them. */
const PROFILE = 'pod-security.kubernetes.io/enforce=restricted'

/** One release, installed by the manifest or by Helm, in one namespace. */
export class Kube {
  readonly namespace: string
  /** Of the StatefulSet, and of all else that the release makes. */
  readonly name: string
  /** The pods of the release, those of `helm test` apart. */
  readonly selector: string
  readonly #manifest: string

  constructor(image: string, namespace: string = NAMESPACE, release: string = 'jackdaw') {
    this.namespace = namespace
    this.name = release.includes('jackdaw') ? release : `${release}-jackdaw`
    this.selector = `app.kubernetes.io/name=jackdaw,app.kubernetes.io/instance=${release}`
    this.#manifest = readFileSync(MANIFEST, 'utf8').replace('image: "jackdaw:dev"', `image: "${image}"`)
  }

  kubectl(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return run('kubectl', ['--namespace', this.namespace, ...args], options)
  }

  async makeNamespace(name: string): Promise<void> {
    await run('kubectl', ['create', 'namespace', name])
    await run('kubectl', ['label', 'namespace', name, PROFILE])
  }

  /** Removes it, if there is one, and waits until it is gone. */
  async dropNamespace(name: string): Promise<void> {
    await run('kubectl', ['delete', 'namespace', name, '--ignore-not-found', '--wait', `--timeout=${GONE_SECONDS}s`], {
      timeoutMs: (GONE_SECONDS + 10) * 1000,
    })
  }

  async apply(): Promise<void> {
    await this.kubectl(['apply', '--filename', '-'], { input: this.#manifest })
  }

  /** Removes what `apply` made, and waits for the pods to go. */
  async remove(): Promise<void> {
    await this.kubectl(['delete', '--wait', '--filename', '-'], { input: this.#manifest, timeoutMs: 90_000 })
    await this.kubectl(['wait', '--for=delete', 'pod', '--selector', this.selector, `--timeout=${GONE_SECONDS}s`], {
      timeoutMs: (GONE_SECONDS + 5) * 1000,
    })
  }

  /** Resolves once every pod is of the newest revision and ready. */
  async settled(seconds: number): Promise<void> {
    await this.kubectl(['rollout', 'status', `statefulset/${this.name}`, `--timeout=${seconds}s`], { timeoutMs: (seconds + 5) * 1000 })
  }

  async pods(): Promise<readonly string[]> {
    const names = await this.kubectl(['get', 'pods', '--selector', this.selector, '--output', 'name'])
    return names
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((name) => name.replace('pod/', ''))
  }

  async uid(pod: string): Promise<string> {
    return (await this.kubectl(['get', 'pod', pod, '--output', 'jsonpath={.metadata.uid}'])).trim()
  }

  async uids(): Promise<readonly string[]> {
    return Promise.all((await this.pods()).map((pod) => this.uid(pod)))
  }

  async nodeOf(pod: string): Promise<string> {
    return (await this.kubectl(['get', 'pod', pod, '--output', 'jsonpath={.spec.nodeName}'])).trim()
  }

  /** Replaces every pod in turn, and resolves once all are ready; throws if one was not replaced. */
  async roll(seconds: number): Promise<void> {
    const before = await this.uids()
    await this.kubectl(['rollout', 'restart', `statefulset/${this.name}`])
    await this.settled(seconds)
    const stayed = (await this.uids()).filter((uid) => before.includes(uid))
    if (stayed.length > 0) throw new Error(`${stayed.length} pods were not replaced`)
  }

  async restarts(pod: string): Promise<number> {
    return Number(await this.kubectl(['get', 'pod', pod, '--output', 'jsonpath={.status.containerStatuses[0].restartCount}']))
  }

  /** Runs JavaScript in a pod, by the Node.js that its image has, and resolves with what it printed. */
  evaluate(pod: string, script: string, options: CommandOptions = {}): Promise<string> {
    return this.kubectl(['exec', '--stdin', pod, '--container', 'jackdaw', '--', 'node', '--eval', script], options)
  }

  /** What the admin port of a pod says about itself, as Prometheus text. */
  metrics(pod: string): Promise<string> {
    return this.evaluate(pod, `fetch('http://127.0.0.1:9090/metrics').then(async (answer) => process.stdout.write(await answer.text()))`)
  }

  /** What a pod's readiness says, and why. */
  async readiness(pod: string): Promise<{ readonly status: number; readonly body: string }> {
    const url = 'http://127.0.0.1:9090/readyz'
    const script = `fetch('${url}').then(async (answer) => process.stdout.write(JSON.stringify({ status: answer.status, body: await answer.text() })))`
    return JSON.parse(await this.evaluate(pod, script))
  }

  /**
   * What the pods answer when all are asked for a key at the same moment, past the ingress: for each key one answer of each pod, `null` for "not there".
   * Nobody may write meanwhile: each difference is told.
   */
  async answers(keys: readonly string[]): Promise<readonly (readonly (string | null)[])[]> {
    const pods = await this.pods()
    const hosts = (await this.kubectl(['get', 'pods', '--selector', this.selector, '--output', 'jsonpath={.items[*].status.podIP}']))
      .trim()
      .split(' ')
    const script = `
      const { keys, hosts } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
      const read = async (host, key) => {
        const answer = await fetch('http://' + host + ':8080/get/' + encodeURIComponent(key), { signal: AbortSignal.timeout(10000) })
        const body = await answer.text()
        return answer.status === 404 ? null : answer.ok ? body : 'status ' + answer.status
      }
      const everywhere = (key) => Promise.all(hosts.map((host) => read(host, key)))
      const all = async () => {
        const values = []
        for (let i = 0; i < keys.length; i += 8) values.push(...(await Promise.all(keys.slice(i, i + 8).map(everywhere))))
        process.stdout.write(JSON.stringify(values))
      }
      all()`
    return JSON.parse(await this.evaluate(pods[0] ?? '', script, { input: JSON.stringify({ keys, hosts }), timeoutMs: 60_000 }))
  }

  /** Writes a value at one pod, past the ingress. */
  async putKey(pod: string, key: string, value: string): Promise<void> {
    const options = JSON.stringify({ method: 'PUT', body: value })
    const status = await this.evaluate(
      pod,
      `fetch('http://127.0.0.1:8080/v1/${encodeURIComponent(key)}', ${options}).then((answer) => process.stdout.write(String(answer.status)))`,
    )
    if (!status.startsWith('2')) throw new Error(`${pod} answers ${status} to a write`)
  }

  /** The value of a key as one pod has it for itself, past the ingress; the key is deleted then. */
  takeKey(pod: string, key: string): Promise<string> {
    const url = `http://127.0.0.1:8080/v1/${encodeURIComponent(key)}`
    const script = `fetch('${url}').then(async (answer) => { process.stdout.write(await answer.text()); await fetch('${url}', { method: 'DELETE' }) })`
    return this.evaluate(pod, script)
  }

  /** All that helps to understand a failure. Never rejects. */
  async diagnosis(): Promise<string> {
    const attempt = (args: readonly string[]) => this.kubectl(args).catch((error: unknown) => String(error))
    const parts = [
      await attempt(['get', 'pods,endpointslices', '--output', 'wide']),
      await attempt(['get', 'events', '--sort-by=.lastTimestamp']),
    ]
    const pods = (await attempt(['get', 'pods', '--output', 'jsonpath={.items[*].metadata.name}'])).split(' ')
    for (const pod of pods) {
      parts.push(`--- ${pod}`, await attempt(['logs', pod, '--tail=60']), await attempt(['logs', pod, '--previous', '--tail=30']))
    }
    return parts.join('\n')
  }
}

/** The sum of a metric's samples whose labels contain `labels`; `null` when there is none. */
export function metricOf(metrics: string, name: string, labels: string = ''): number | null {
  const samples = metrics.split('\n').filter((line) => new RegExp(`^${name}[{ ]`).test(line) && line.includes(labels))
  return samples.length === 0 ? null : samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}
