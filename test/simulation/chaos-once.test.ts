/**
 * Chaos, seeds beyond 200 that broke an invariant once: see chaos/suite.ts.
 */
import { onceSuite } from './chaos/suite.ts'

onceSuite().run()
