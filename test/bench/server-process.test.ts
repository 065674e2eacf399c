import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cpuTicks } from '../../bench/server-process.ts'

const test = suite('bench/server process')

const AFTER_NAME = 'S 1 815 815 0 -1 4194304 5423 0 12 0 731 269 0 0 20 0 11 0 402873'

test('CPU time is user and system time together', () => {
  assert.is(cpuTicks(`815 (node) ${AFTER_NAME}`), 1000)
})

test('a name with spaces and parentheses does not shift the fields', () => {
  assert.is(cpuTicks(`815 (a) 1 (b) ${AFTER_NAME}`), 1000)
})

test.run()
