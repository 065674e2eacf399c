/**
 * Chaos, seeds 101 to 150: see chaos/chaos.ts.
 */
// deadline: 280 s
import { chaosSuite } from './chaos/suite.ts'

chaosSuite(101, 150).run()
