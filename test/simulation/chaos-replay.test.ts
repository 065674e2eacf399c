/**
 * Chaos, seeds run more than once: see chaos/suite.ts.
 */
// deadline: 120 s
import { replaySuite } from './chaos/suite.ts'

replaySuite().run()
