/**
 * What runs in a pod beside the cache's: clients of RESP, text and gRPC, each with connections of its own to the Services, that check their keys until
 * SIGTERM. Bundled into one file by ../faces-client.ts, which reads what this prints: `checking` once every client has an answer, and JSON at the end.
 */
import { CheckedKeys, type CheckingResult, Tally } from '../checked-keys.ts'
import { type CountingFace, grpcFace, respFace, type Target, textFace } from './clients.ts'

export interface FaceResult extends CheckingResult {
  readonly workers: number
  readonly connections: number
  readonly repeats: number
}

const FACES: Readonly<Record<string, (target: Target) => CountingFace>> = { resp: respFace, text: textFace, grpc: grpcFace }
const WORKERS = 2
const PAUSE_MS = 50
const MAX_KEYS = 1_000
/** Services may take a moment to lead anywhere from a new pod. */
const FIRST_ANSWER_MS = 30_000

let stopped = false
process.once('SIGTERM', () => {
  stopped = true
})

const results = await Promise.all(
  Object.entries(FACES).map(async ([name, open]) => {
    const clients = Array.from({ length: WORKERS }, () => open(targetOf(name)))
    for (const client of clients) await answers(client)
    return { name, clients, tally: new Tally() }
  }),
).then((all) => {
  console.log('checking')
  return Promise.all(all.map(async ({ name, clients, tally }) => [name, await check(name, clients, tally)] as const))
})
console.log(JSON.stringify(Object.fromEntries(results)))
process.exit(0)

async function check(name: string, clients: readonly CountingFace[], tally: Tally): Promise<FaceResult> {
  const options = { maxKeys: MAX_KEYS, pauseMs: PAUSE_MS, mayMiss: false }
  await Promise.all(
    clients.map((client, i) => new CheckedKeys(client, { ...options, prefix: `by-${name}-${i}` }, tally).work(() => stopped)),
  )
  const sum = (of: (client: CountingFace) => number) => clients.reduce((total, client) => total + of(client), 0)
  const result = {
    ...tally.result(),
    workers: clients.length,
    connections: sum((client) => client.connections()),
    repeats: sum((client) => client.repeats()),
  }
  for (const client of clients) client.close()
  return result
}

/** The address comes as `E2E_RESP=host:port` and the like. */
function targetOf(name: string): Target {
  const [host = '', port] = (process.env[`E2E_${name.toUpperCase()}`] ?? '').split(':')
  return { host, port: Number(port) }
}

async function answers(face: CountingFace): Promise<void> {
  const giveUpAt = performance.now() + FIRST_ANSWER_MS
  for (;;) {
    try {
      await face.read('nobody-wrote-this')
      return
    } catch (error) {
      if (performance.now() > giveUpAt) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
