/**
 * Signals while the process starts. Process 1 of a container, which is what it is there, never gets a signal that it has no handler for; here, where it is any
 * process, such a signal ends it, and its exit says so.
 */
// deadline: 60 s
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from './support/processes.ts'

const test = suite('stop signals')

const MAIN = new URL('../src/main.ts', import.meta.url).pathname
const SIGNAL_WATCH = new URL('./support/fixtures/signal-watch.fixture.ts', import.meta.url).href

/** A member on ports of its own that says something in its log before it starts. */
function startAlone(): { child: ChildProcess; said: () => string } {
  const ports = ['http', 'resp', 'cluster', 'text', 'grpc', 'gossip', 'peer', 'admin'].map((port) => `--${port}-port=0`)
  const child = spawn(
    process.execPath,
    ['--import', SIGNAL_WATCH, MAIN, '--name=alone', '--host=127.0.0.1', '--advertise-host=127.0.0.1', ...ports],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, JACKDAW_NO_OPTION: '1' },
    },
  )
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  return { child, said: () => said }
}

for (const [moment, saying] of [
  ['while its modules are loaded', 'hears SIGTERM, packages loaded: 0'],
  ['while it starts', 'JACKDAW_NO_OPTION'],
] as const) {
  test(`a member that is asked to stop ${moment} ends with exit code 0, and before it has listened`, async () => {
    const { child, said } = startAlone()
    try {
      const exit = once(child, 'exit')
      await until(async () => said().includes(saying), 20_000, `a member ${moment}`)
      child.kill('SIGTERM')
      // Where nothing heard it, the signal stands in the place of the code; process 1 would live on.
      assert.equal(await exit, [0, null])
      assert.not.match(said(), /"listening"/)
    } finally {
      child.kill('SIGKILL')
    }
  })
}

test.run()
