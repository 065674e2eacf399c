/** The room's door. */
export { AdminServer, type Health, type Verdict } from './admin.ts'
export type { Histogram } from './histogram.ts'
export { createLogger } from './log.ts'
export { Metrics, type Sample } from './metrics.ts'
