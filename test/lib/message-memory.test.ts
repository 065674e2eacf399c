/** Memory of messages: it is written again once all that lay in it is confirmed, and never while somebody may read it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MESSAGE_HEADROOM } from '../../src/lib/bytes.ts'
import { MessageMemory } from '../../src/lib/message-memory.ts'

const test = suite('message memory')

function filled(memory: MessageMemory, length: number, byte: number): Buffer {
  return memory.take(length).fill(byte)
}

test('messages and the bytes in front of them do not overlap', () => {
  const memory = new MessageMemory()
  const messages = Array.from({ length: 2000 }, (_, i) => filled(memory, 1 + ((i * 37) % 900), i % 251))
  for (const message of messages) Buffer.from(message.buffer, message.byteOffset - MESSAGE_HEADROOM, MESSAGE_HEADROOM).fill(0xee)
  for (const [i, message] of messages.entries()) {
    assert.is(message.length, 1 + ((i * 37) % 900))
    assert.ok(message.every((byte) => byte === i % 251))
  }
})

test('while each message is confirmed before the next, all lie in one place', () => {
  const memory = new MessageMemory()
  const first = memory.take(1000)
  memory.give(first)
  for (let i = 0; i < 1000; i++) {
    const message = memory.take(50_000)
    assert.is(message.buffer, first.buffer)
    assert.is(message.byteOffset, first.byteOffset)
    memory.give(message)
  }
})

test('what is not confirmed stays as it is, whatever comes after it', () => {
  const memory = new MessageMemory()
  const kept = filled(memory, 100, 7)
  for (let i = 0; i < 100; i++) memory.give(filled(memory, 60_000, 1))
  assert.ok(kept.every((byte) => byte === 7))
  memory.give(kept)
})

test('memory that is full and confirmed is used again', () => {
  const memory = new MessageMemory()
  const seen = new Set<ArrayBufferLike>()
  for (let i = 0; i < 50; i++) {
    const messages = Array.from({ length: 10 }, () => memory.take(60_000))
    for (const message of messages) {
      seen.add(message.buffer)
      memory.give(message)
    }
  }
  assert.ok(seen.size <= 4, `${seen.size} chunks`)
})

test('a message that is larger than its share has memory of its own', () => {
  const memory = new MessageMemory()
  const small = filled(memory, 10, 1)
  const large = filled(memory, 1_000_000, 2)
  assert.is.not(large.buffer, small.buffer)
  memory.give(large)
  assert.ok(large.byteOffset >= MESSAGE_HEADROOM)
})

test('after a link broke nothing that it may hold is written again', () => {
  const memory = new MessageMemory()
  const held = filled(memory, 100, 9)
  memory.abandon()
  memory.give(held)
  for (let i = 0; i < 20; i++) memory.give(filled(memory, 60_000, 1))
  assert.ok(held.every((byte) => byte === 9))
})

test.run()
