import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MalformedError } from '../../src/lib/bytes.ts'
import { NameMemory } from '../../src/lib/name-memory.ts'

const test = suite('name memory')

test('names come as they lie in the bytes, whichever was asked for before', () => {
  const names = new NameMemory()
  const bytes = Buffer.from('onetwoöne')
  assert.is(names.nameAt(bytes, 0, 3), 'one')
  assert.is(names.nameAt(bytes, 3, 3), 'two')
  assert.is(names.nameAt(bytes, 3, 3), 'two')
  assert.is(names.nameAt(bytes, 6, 4), 'öne')
  assert.is(names.nameAt(bytes, 0, 0), '')
  assert.equal(names.bytesOf('öne'), Buffer.from('öne'))
  assert.equal(names.bytesOf(''), Buffer.alloc(0))
})

test('the same name again makes nothing', () => {
  const names = new NameMemory()
  assert.is(names.bytesOf('one'), names.bytesOf('one'))
})

test('what is no UTF-8 is refused, and the name before it is remembered still', () => {
  const names = new NameMemory()
  const known = names.bytesOf('one')
  assert.throws(
    () => names.nameAt(Buffer.of(0x61, 0xff), 0, 2),
    (error: Error) => error instanceof MalformedError,
  )
  assert.is(names.bytesOf('one'), known)
})

test.run()
