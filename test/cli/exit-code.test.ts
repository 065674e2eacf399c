import { CommanderError } from 'commander'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { errorCodeOf, exitCodeOf, UsageError } from '../../src/cli/exit-code.ts'
import {
  NoReplicasError,
  NotConfirmedError,
  NotJsonError,
  OutcomeUnknownError,
  ProtocolError,
  ServerError,
  TimeoutError,
  UnreachableError,
  ValueTooLargeError,
} from '../../src/client/index.ts'

const test = suite('cli: exit code')

test('each kind of failure has its number and its word', () => {
  for (const [error, code, word] of [
    [new UsageError('no'), 2, 'USAGE'],
    [new RangeError('no'), 2, 'USAGE'],
    [new CommanderError(1, 'commander.unknownOption', 'no'), 2, 'USAGE'],
    [new ValueTooLargeError(2, 1), 2, 'VALUE_TOO_LARGE'],
    [Object.assign(new Error('no'), { syscall: 'open', code: 'EACCES' }), 2, 'EACCES'],
    [new ServerError('OOM full'), 3, 'OOM'],
    [new NoReplicasError('NOREPLICAS none'), 3, 'NOREPLICAS'],
    [new NotConfirmedError('NOTCONFIRMED late'), 3, 'NOTCONFIRMED'],
    [new ProtocolError('nonsense'), 3, 'PROTOCOL'],
    [new NotJsonError('k'), 3, 'NOT_JSON'],
    [new TimeoutError(5, 'the answer', 'no'), 4, 'TIMEOUT'],
    [new UnreachableError(['a:1'], []), 4, 'UNREACHABLE'],
    [new OutcomeUnknownError(new Error('lost')), 4, 'OUTCOME_UNKNOWN'],
  ] as const) {
    assert.equal([exitCodeOf(error), errorCodeOf(error)], [code, word], error.name)
  }
  assert.is(exitCodeOf(new CommanderError(0, 'commander.help', '')), 0)
})

test('a defect is no exit code: it is thrown on', () => {
  assert.throws(() => exitCodeOf(new TypeError('undefined is not a function')), /not a function/)
})

test.run()
