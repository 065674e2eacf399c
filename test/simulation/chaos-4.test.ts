/**
 * Chaos, seeds 151 to 200: see chaos/chaos.ts.
 */
// deadline: 280 s
import { chaosSuite } from './chaos/suite.ts'

chaosSuite(151, 200).run()
