/**
 * What `helm test` runs, in a pod beside the members: every pod sees as many members alive as there are pods, and a key that was set at one pod over HTTP
 * is read at every pod over HTTP, and over RESP by the command line of the image. Says what it finds, and ends with 1 when something is otherwise.
 *
 * MEMBERS names the pods, by one name that stands for all their addresses, those that are not ready included, or by several with commas. How many there are
 * is asked of that name, not told: `kubectl scale` and an autoscaler change it after the pod of the test has been written. The members get WITHIN_MS to be
 * complete, as names of pods that have gone live on in caches of DNS for a while.
 * No dollar may stand before a parenthesis here: Kubernetes would take it for a variable.
 */
import { execFile } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const { MEMBERS = '', CLI = '', WITHIN_MS = '60000' } = process.env
const run = promisify(execFile)

try {
  await answer(await complete())
} catch (error) {
  console.error(error.message)
  process.exit(1)
}

/** The hosts of all members, once each sees all of them. */
async function complete() {
  const giveUpAt = performance.now() + Number(WITHIN_MS)
  for (;;) {
    try {
      const found = await Promise.all(MEMBERS.split(',').map((name) => lookup(name, { all: true })))
      const hosts = [...new Set(found.flat().map(({ address, family }) => (family === 6 ? `[${address}]` : address)))].sort()
      for (const host of hosts) {
        const metrics = await text(`http://${host}:9090/metrics`)
        const alive = Number(/^jackdaw_members\{state="alive"\} (\d+)$/m.exec(metrics)?.[1])
        if (alive !== hosts.length) throw new Error(`${host} sees ${alive} members alive, and there are ${hosts.length} pods: ${hosts.join(', ')}`)
      }
      console.log(`each of ${hosts.join(', ')} sees ${hosts.length} members alive`)
      return hosts
    } catch (error) {
      if (performance.now() > giveUpAt) throw error
      await sleep(1000)
    }
  }
}

/** What was written at the first is read at all. */
async function answer(hosts) {
  const key = `helm-test-${Date.now()}`
  const value = `written at ${hosts[0]}`
  await text(`http://${hosts[0]}:8080/set?ttl=60`, { method: 'POST', body: JSON.stringify({ [key]: value }) })
  for (const host of hosts) {
    const read = JSON.parse(await text(`http://${host}:8080/get/${key}`))
    if (read !== value) throw new Error(`${host} answers ${JSON.stringify(read)} over HTTP instead of ${JSON.stringify(value)}`)
    const { stdout } = await run(process.execPath, [CLI, 'get', '--address', `${host}:6379`, key])
    if (stdout.trim() !== value) throw new Error(`${host} answers ${JSON.stringify(stdout)} over RESP instead of ${JSON.stringify(value)}`)
    console.log(`${host} answers what was ${value}, over HTTP and RESP`)
  }
}

async function text(url, init) {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) }).catch((error) => {
    throw new Error(`${url}: ${error.cause?.message ?? error.message}`)
  })
  const body = await response.text()
  if (!response.ok) throw new Error(`${url} answers ${response.status} ${body.slice(0, 200)}`)
  return body
}
