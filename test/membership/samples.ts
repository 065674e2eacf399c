/** Records for tests. */
import { NO_BYTES } from '../../src/lib/bytes.ts'
import type { MemberRecord } from '../../src/membership/record.ts'
import { encodeMeta } from '../../src/membership/record-codec.ts'
import { meta } from './flock.ts'

export function record(change: Partial<MemberRecord> = {}): MemberRecord {
  const made: MemberRecord = {
    name: 'a-0',
    generation: 1_767_225_600_000,
    incarnation: 7,
    state: 'alive',
    address: '10.0.0.1:7946',
    meta: meta('uid-a-0'),
    mark: 0xfeedbeef,
    accuser: '',
    fact: false,
    metaBytes: NO_BYTES,
    extra: NO_BYTES,
    ...change,
  }
  return change.metaBytes === undefined ? { ...made, metaBytes: encodeMeta(made.meta) } : made
}
