/**
 * `npm run cluster`: three nodes of one cache on this machine, each a process of its own, to try things with. Ends all of them on Ctrl-C.
 *
 * `--nodes N` and `--base-port P`: node i takes HTTP P+i, gossip P+100+i, peers P+200+i and admin P+300+i (8080 by default, so HTTP is at 8080,
 * 8081, 8082), and the other faces their usual port plus i, moved as far as P is from 8080; RESP for cluster clients is 100 above plain RESP. Other
 * options are handed to every node.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { NODE_FLAGS } from './node-flags.ts'

const BASE_PORT = 8080
const RESP_PORT = 6379
const GRPC_PORT = 50_051
const MIN_PORT = 1024
const MAX_PORT = 65_535

const { values, tokens } = parseArgs({
  strict: false,
  tokens: true,
  options: { nodes: { type: 'string', default: '3' }, 'base-port': { type: 'string', default: String(BASE_PORT) } },
})
const nodes = wholeNumber('nodes', values['nodes'], 1, 15)
// All faces move with HTTP: RESP is the lowest of them, gRPC of the last node the highest.
const basePort = wholeNumber(
  'base-port',
  values['base-port'],
  MIN_PORT + BASE_PORT - RESP_PORT,
  MAX_PORT + BASE_PORT - GRPC_PORT - (nodes - 1),
)
const OWN = new Set(['nodes', 'base-port'])
const passedOn = tokens.flatMap((token) =>
  token.kind !== 'option' || OWN.has(token.name) ? [] : [token.value === undefined ? token.rawName : `${token.rawName}=${token.value}`],
)

const HOST = '127.0.0.1'
const names = Array.from({ length: nodes }, (_, i) => `jackdaw-${i}`)
const seeds = names.map((name, i) => `${name}=${HOST}:${basePort + 100 + i}`).join(',')
const children = names.map(startNode)
let ending = false

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    ending = true
    for (const child of children) child.kill('SIGTERM')
  })
}
await ready()

function startNode(name: string, i: number): ChildProcess {
  const flags = {
    name,
    seeds,
    host: HOST,
    'advertise-host': HOST,
    'http-port': basePort + i,
    'resp-port': faceBase(RESP_PORT) + i,
    'cluster-port': faceBase(RESP_PORT) + 100 + i,
    'text-port': faceBase(31_337) + i,
    'grpc-port': faceBase(GRPC_PORT) + i,
    'gossip-port': basePort + 100 + i,
    'peer-port': basePort + 200 + i,
    'admin-port': basePort + 300 + i,
    'drain-ms': 500,
    'stop-timeout-ms': 10_000,
    'log-level': 'warn',
  }
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
  const child = spawn(process.execPath, [...NODE_FLAGS, new URL('../src/main.ts', import.meta.url).pathname, ...args, ...passedOn], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  child.on('exit', (code, signal) => {
    console.error(`${name} ended (${signal ?? code})`)
    if (!ending && children.every((other) => other.exitCode !== null || other.signalCode !== null)) process.exit(1)
  })
  return child
}

/** Where a face of the first node is: its usual port, unless HTTP was moved. */
function faceBase(usual: number): number {
  return usual + basePort - BASE_PORT
}

async function ready(): Promise<void> {
  for (const i of names.keys()) {
    while (!(await answers(basePort + 300 + i))) {
      if (children[i]?.exitCode !== null) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  console.log(`
${nodes} nodes of one cache are ready. Try, in another terminal:

  curl -d '{"abc-1":1,"abc-2":2,"xyz-1":"three","xyz-2":4}' http://${HOST}:${basePort}/set
${names.map((_, i) => `  curl http://${HOST}:${basePort + i}/get/xyz-1`).join('\n')}
  curl 'http://${HOST}:${basePort}/search?prefix=abc'
  curl http://${HOST}:${basePort}/
  redis-cli -p ${faceBase(RESP_PORT)} GET xyz-1
  redis-cli -c -p ${faceBase(RESP_PORT) + 100} GET xyz-1
  telnet ${HOST} ${faceBase(31_337)}

Metrics: http://${HOST}:${basePort + 300}/metrics. Ctrl-C ends all.`)
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://${HOST}:${port}/readyz`)).ok
  } catch {
    return false
  }
}

function wholeNumber(flag: string, given: unknown, min: number, max: number): number {
  const number = Number(given)
  if (Number.isInteger(number) && number >= min && number <= max) return number
  console.error(`--${flag} is a whole number from ${min} to ${max}, not ${String(given)}`)
  process.exit(2)
}
