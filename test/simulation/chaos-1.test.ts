/**
 * Chaos, seeds 1 to 50: see chaos/chaos.ts.
 */
// deadline: 280 s
import { chaosSuite } from './chaos/suite.ts'

chaosSuite(1, 50).run()
