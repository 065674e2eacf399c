/**
 * The process: reads the options, starts one server, hands over and ends on SIGTERM. The only place that makes a system clock, and that exits.
 *
 * Exit codes: 0 after an orderly stop (the log says whether everything found an heir), after one before it had joined, or `--help`; 1 when a stop had to be
 * cut short, another life of this name took over, the thread of membership was lost, or the start failed; 2 for options that cannot be.
 */
import './stop-signals.ts'
import packageJson from '../package.json' with { type: 'json' }
import { ConfigError, helpText, processOptions } from './config/index.ts'
import { SystemClock } from './lib/clock.ts'
import { SystemRandom } from './lib/random.ts'
import { createLogger } from './observability/index.ts'
import { Server } from './server.ts'
import { whenAskedToStop } from './stop-signals.ts'

if (process.argv.includes('--help')) {
  console.log(helpText())
  process.exit(0)
}
await run(optionsOrExit())

function optionsOrExit(): ReturnType<typeof processOptions> {
  try {
    return processOptions()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(`jackdaw: ${error.message}`)
    process.exit(2)
  }
}

async function run({ options, advice }: ReturnType<typeof processOptions>): Promise<void> {
  const logger = createLogger(options.logLevel, options.name)
  const clock = new SystemClock()
  let server: Server | null = null
  let stopping = false
  const stop = (): void => {
    if (server === null) {
      // It has not joined: nobody knows of it, and it has nothing to hand over.
      logger.info({}, 'asked to stop before it had started: ending')
      process.exit(0)
    }
    if (stopping) {
      logger.warn({}, 'asked to stop again: ending now')
      process.exit(1)
    }
    stopping = true
    clock.after(options.stopTimeoutMs, () => {
      logger.error({ stopTimeoutMs: options.stopTimeoutMs }, 'the stop took too long: ending now')
      process.exit(1)
    })
    server.stop().then(
      () => process.exit(0),
      (error: Error) => {
        logger.error({ error: error.message }, 'the stop failed')
        process.exit(1)
      },
    )
  }
  whenAskedToStop(stop)
  for (const sentence of advice) logger.warn({}, sentence)
  const superseded = (): void => {
    logger.error({}, 'another member of this name is running: this one ends')
    process.exit(1)
  }
  server = await Server.start(options, {
    clock,
    random: new SystemRandom(),
    logger,
    version: packageJson.version,
    observesProcess: true,
    superseded,
    wantedAgain: () => {
      logger.info({}, 'this member was not wanted, and is wanted again: it stops, to be started anew')
      stop()
    },
    failed: (error) => {
      logger.error({ error: error.message }, 'the thread of membership is lost: ending')
      process.exit(1)
    },
  }).catch((error: Error) => {
    logger.error({ error: error.message }, 'cannot start')
    process.exit(1)
  })
}
