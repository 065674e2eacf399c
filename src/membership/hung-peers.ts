/** Hung peers: live members whose last answer to a probe said that their data path hangs. For the log and the count: who lives is not judged by it. */
import type { Logger } from '../lib/logger.ts'
import type { MemberList } from './member-list.ts'
import { isLive } from './record.ts'

export class HungPeers {
  readonly #list: MemberList
  readonly #log: Logger
  readonly #names = new Set<string>()
  #answersTotal = 0

  constructor(list: MemberList, log: Logger) {
    this.#list = list
    this.#log = log
  }

  get answersTotal(): number {
    return this.#answersTotal
  }

  /** What an answer of `name` said. */
  note(name: string, hung: boolean): void {
    if (!hung) {
      if (this.#names.delete(name)) this.#log.info({ member: name }, 'the data path of a member runs again')
      return
    }
    this.#answersTotal++
    if (this.#names.has(name)) return
    for (const other of this.#names) {
      const held = this.#list.get(other)
      if (held === undefined || !isLive(held)) this.#names.delete(other)
    }
    this.#names.add(name)
    this.#log.warn({ member: name }, 'a member lives, but its data path hangs')
  }
}
