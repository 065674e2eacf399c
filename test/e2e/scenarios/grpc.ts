/**
 * gRPC from outside: through the ingress, which speaks HTTP/2 to the pods because the Service of gRPC tells it to.
 */
import { fileURLToPath } from 'node:url'
import { type Client, credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { withRelease } from '../helm.ts'
import type { Scenario } from '../scenario.ts'

const NAMESPACE = 'jackdaw-e2e-grpc'
const HOST = `grpc.${NAMESPACE}.example.com`
const PROTO = fileURLToPath(new URL('../../../proto/cache.proto', import.meta.url))
const KEYS = 100
const DEADLINE_MS = 5_000
/** Between readiness of the pods and a route at the ingress. */
const ROUTED_WITHIN_MS = 20_000

export const grpcServed: Scenario = {
  name: 'gRPC through the ingress and the Service of gRPC reads what HTTP wrote, and the other way round',
  timeoutMs: 180_000,
  async run(context) {
    const { settings, note } = context
    await withRelease(context, NAMESPACE, { values: [`ingress.grpcHost=${HOST}`] }, async ({ client: http }) => {
      const grpc = connect(settings.ingressUrl)
      await ready(grpc)
      for (let i = 0; i < KEYS; i++) {
        const [key, value] = [`by-http-${i}`, `by HTTP, ${i}`]
        const set = await http.set({ [key]: value })
        if (set.status !== 200) throw new Error(`POST /set: ${set.status} ${set.body}`)
        const { value: read } = await call(grpc, 'Get', { key: Buffer.from(key) })
        if (!Buffer.from(value).equals(read as Buffer)) throw new Error(`gRPC reads ${read} for ${key}`)
        await call(grpc, 'Set', { key: Buffer.from(`by-grpc-${i}`), value: Buffer.from(`by gRPC, ${i}`) })
        const { status, body } = await http.getKey(`by-grpc-${i}`)
        if (status !== 200 || body !== JSON.stringify(`by gRPC, ${i}`)) throw new Error(`HTTP reads ${status} ${body} for by-grpc-${i}`)
      }
      grpc.close()
      note('keys written by gRPC or HTTP and read by the other', 2 * KEYS)
    })
  },
}

function connect(url: string): Client {
  // biome-ignore lint/suspicious/noExplicitAny: what the loader makes of a proto file has no types.
  const { jackdaw } = loadPackageDefinition(loadSync(PROTO, { keepCase: true })) as any
  const { host, port, hostname } = new URL(url)
  const target = port === '' ? `${hostname}:80` : host
  return new jackdaw.cache.v1.Cache(target, credentials.createInsecure(), { 'grpc.default_authority': HOST })
}

function call(client: Client, method: 'Get' | 'Set', request: object): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + DEADLINE_MS
    const done = (error: ServiceError | null, answer?: Record<string, unknown>) => (error === null ? resolve(answer ?? {}) : reject(error))
    // biome-ignore lint/suspicious/noExplicitAny: as above.
    ;(client as any)[method](request, { deadline }, done)
  })
}

/** Resolves once the ingress has the route. */
async function ready(client: Client): Promise<void> {
  const giveUpAt = performance.now() + ROUTED_WITHIN_MS
  for (;;) {
    try {
      await call(client, 'Set', { key: Buffer.from('first'), value: Buffer.from('') })
      return
    } catch (error) {
      if (performance.now() > giveUpAt) throw error
    }
  }
}
