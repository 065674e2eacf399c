import { SeededRandom } from '../../src/lib/random.ts'
import { createStore } from '../../src/store/index.ts'
import { storeSuite } from './model.ts'

/** The fixed tables take a quarter of this limit. */
const LIMIT_BYTES = 1024 * 1024

storeSuite('store', (options) => createStore(options, new SeededRandom(1)), LIMIT_BYTES).run()
