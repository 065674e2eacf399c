/**
 * Chaos, seeds 51 to 100: see chaos/chaos.ts.
 */
// deadline: 280 s
import { chaosSuite } from './chaos/suite.ts'

chaosSuite(51, 100).run()
