/** Three members with a forwarder each, of which `b` serves everything: for what is forwarded, refused, parked and sent again. */
import { OperationErrand, TransactionErrand } from '../../src/cache/errand.ts'
import { Executor } from '../../src/cache/executor.ts'
import { Forwarder } from '../../src/cache/forwarder.ts'
import { OPERATION_GET, OPERATION_SET, type Operation } from '../../src/cache/operation.ts'
import { Operations } from '../../src/cache/operations.ts'
import { slotOf } from '../../src/lib/slot.ts'
import type { Term } from '../../src/placement/index.ts'
import type { StoreOptions } from '../../src/store/index.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { type AskedTransaction, askTransaction, type Change, operationOf } from '../support/operations.ts'
import { FakeMember, FakeNetwork } from './fakes.ts'

export const TIMEOUT_MS = 5000
export const MIB = 1024 * 1024

export interface Asked {
  /** `pending`, an error's code, `hit value`, `miss`, `existed` or `new`. */
  outcome: string
  times: number
}

export class Member extends FakeMember {
  readonly forwarder: Forwarder
  readonly #executor: Executor

  constructor(name: string, network: FakeNetwork, options: Partial<StoreOptions> = {}) {
    super(name, network, options)
    this.#executor = new Executor(new Operations(this.store, this, this.hybrid, () => name, 16 * MIB), this)
    this.forwarder = new Forwarder(network.clock, this, this, this.#executor, TIMEOUT_MS)
  }

  run(code: number, key: string, value: string = '', change: Change = {}): Asked {
    const asked = { outcome: 'pending', times: 0 }
    const operation = operationOf(code, key, value, change)
    const errand = new OperationErrand(operation, slotOf(operation.key), this.#executor, (error, outcome) => {
      asked.times++
      if (error !== null) asked.outcome = error.code
      else if (outcome?.entry) asked.outcome = `hit ${outcome.entry.valueBytes()}`
      else if (code === OPERATION_GET) asked.outcome = 'miss'
      else asked.outcome = outcome?.existed ? 'existed' : 'new'
    })
    this.forwarder.run(errand)
    return asked
  }

  transact(list: readonly Operation[]): AskedTransaction {
    const slot = slotOf(list[0]?.key as Buffer)
    return askTransaction(
      { transact: (_list, each, done) => this.forwarder.run(new TransactionErrand(list, slot, this.#executor, each, done)) },
      list,
    )
  }

  get(key: string): Asked {
    return this.run(OPERATION_GET, key)
  }

  set(key: string, value: string): Asked {
    return this.run(OPERATION_SET, key, value)
  }
}

export interface Trio {
  readonly clock: FakeClock
  readonly network: FakeNetwork
  readonly a: Member
  readonly b: Member
  readonly c: Member
}

/** `b` serves everything, and all know it. */
export function trio(options: Partial<StoreOptions> = {}): Trio {
  const clock = new FakeClock()
  const network = new FakeNetwork(clock)
  const [a, b, c] = [new Member('a', network), new Member('b', network, options), new Member('c', network)]
  a.otherwise = 'b'
  c.otherwise = 'b'
  return { clock, network, a, b, c }
}

export function term(name: string, ms: number): Term {
  return { ms, counter: 0, name, generation: 1, strong: true }
}

export const SLOT = slotOf(Buffer.from('k'))
