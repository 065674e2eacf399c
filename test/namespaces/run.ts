/**
 * `npm run test:namespaces`: the faults of faults.test.ts and more, one after the other, each done to a member drawn by chance. `-- --rounds N` (20) and
 * `--seed N`. The seed fixes what is done to whom; what the kernel makes of it is another matter each time. Ends with 1 when a client read what it should
 * not have, and says what the members said last.
 */
import { parseArgs } from 'node:util'
import { randomBelow, SeededRandom } from '../../src/lib/random.ts'
import { whyNoNetwork } from '../support/namespaces.ts'
import { Arena, HOSTS } from './arena.ts'

const FAULTS: Readonly<Record<string, (arena: Arena, host: number, other: number) => Promise<void>>> = {
  killed: (arena, host) => arena.kill(host),
  'killed, and another right after its return': async (arena, host, other) => {
    await arena.kill(host)
    await arena.kill(other)
  },
  'standing still': (arena, host) => arena.stand(host),
  'standing still for a moment': (arena, host) => arena.hiccup(host),
  'cut off': (arena, host) => arena.cut(host),
  deaf: (arena, host) => arena.deafen(host),
  'deaf to one other': (arena, host, other) => arena.deafenTo(host, other),
  'asked to stop': (arena, host) => arena.roll(host),
}
const LAST_WORDS = 100

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' } } })
const rounds = Number(values.rounds)
const seed = Number(values.seed)
if (!Number.isInteger(rounds) || rounds < 1 || !Number.isInteger(seed)) {
  console.error('--rounds is a whole number from 1 on, --seed a whole number')
  process.exit(2)
}
// An end by `exit` takes the members and their network along.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))
const reason = whyNoNetwork()
if (reason !== null) console.log(`left out: ${reason}`)
else await run()

async function run(): Promise<void> {
  const random = new SeededRandom(seed)
  const names = Object.keys(FAULTS)
  const arena = await Arena.open(seed)
  const { clients, members } = arena
  try {
    for (let round = 1; round <= rounds && clients.violations.length === 0; round++) {
      const name = names[randomBelow(random, names.length)] as string
      const host = randomBelow(random, HOSTS)
      const other = (host + 1 + randomBelow(random, HOSTS - 1)) % HOSTS
      const startedMs = performance.now()
      await FAULTS[name]?.(arena, host, other)
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
      console.log(`${round} of ${rounds}: ${members.name(host)} ${name} (other: ${members.name(other)}), ${seconds} s`)
    }
    await arena.verify()
  } catch (error) {
    clients.violations.push((error as Error).message)
  } finally {
    await arena.close()
  }
  console.log(
    `seed ${seed}: ${clients.keys} keys, ${clients.writes} writes, ${clients.reads} reads; failed: ${JSON.stringify([...clients.failures])}`,
  )
  if (clients.violations.length === 0) return
  console.log([members.lastWords(LAST_WORDS), ...clients.violations].join('\n'))
  process.exitCode = 1
}
