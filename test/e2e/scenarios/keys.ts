/**
 * The keys that every later scenario has to leave as they are.
 */
import { KEY_COUNT, requireKeys, writeKeys } from '../key-set.ts'
import type { Scenario } from '../scenario.ts'

export const keysWritten: Scenario = {
  name: `${KEY_COUNT} keys of many sizes read back as they were written`,
  timeoutMs: 120_000,
  foundation: true,
  async run({ client, note }) {
    await writeKeys(client)
    note('keys checked after writing', await requireKeys(client, 'after they were written'))
  },
}
