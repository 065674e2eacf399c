/** Progress: a bar on stderr while a terminal watches, nothing otherwise. */
import cliProgress from 'cli-progress'
import type { Terminal } from './terminal.ts'

export interface Progress {
  /** How much is done, in the unit of the total. */
  update(done: number): void
  /** The last word; the bar stays as it is. */
  stop(): void
}

/** `total` in `unit`, or null if nobody knows it: then the bar only counts. */
export function startProgress(terminal: Terminal, total: number | null, unit: string): Progress {
  if (!terminal.watched) return { update: () => {}, stop: () => {} }
  const format =
    total === null ? `{value} ${unit} | {duration_formatted}` : `{bar} {percentage}% | {value}/{total} ${unit} | {eta_formatted} left`
  const bar = new cliProgress.SingleBar(
    { format, hideCursor: false, gracefulExit: false, stream: process.stderr },
    cliProgress.Presets.shades_classic,
  )
  bar.start(total ?? 0, 0)
  return {
    update: (done) => {
      // The total was a guess when keys come and go meanwhile.
      if (total !== null && done > bar.getTotal()) bar.setTotal(done)
      bar.update(done)
    },
    stop: () => bar.stop(),
  }
}
