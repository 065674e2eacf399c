import { SeededRandom } from '../../src/lib/random.ts'
import { createStore } from '../../src/store/index.ts'
import { storeSuite } from './model.ts'

storeSuite('store', (options) => createStore(options, new SeededRandom(1))).run()
