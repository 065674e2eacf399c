import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBelow, SeededRandom } from '../../src/lib/random.ts'
import { Arena } from '../../src/store/arena.ts'

const test = suite('store/arena')

const SEGMENT_BYTES = 64 * 1024
const LIMIT_BYTES = 8 * SEGMENT_BYTES

/** Writes a pattern into all of a block but its first word, and finds it again. */
function mark(arena: Arena, address: number, pattern: number): void {
  const words = arena.words[address >>> arena.shift] as Uint32Array
  const first = (address & arena.mask) << 1
  words.fill(pattern, first + 1, first + 2 * arena.sizeOf(address))
}

function isMarked(arena: Arena, address: number, pattern: number): boolean {
  const words = arena.words[address >>> arena.shift] as Uint32Array
  const first = (address & arena.mask) << 1
  return words.subarray(first + 1, first + 2 * arena.sizeOf(address)).every((word) => word === pattern)
}

test('any sequence of allocating, freeing, shrinking, growing and clearing keeps blocks apart, and all comes back', () => {
  for (const seed of [1, 2, 3]) {
    const random = new SeededRandom(seed)
    const arena = new Arena(LIMIT_BYTES, SEGMENT_BYTES)
    const held = new Map<number, number>()
    let refused = 0
    for (let step = 1; step < 20_000; step++) {
      const dice = random.next()
      const any = [...held.keys()][randomBelow(random, Math.max(1, held.size))]
      if (dice < 0.5 || any === undefined) {
        const units = 1 + Math.floor(6_000 * random.next() ** 5)
        const block = arena.allocate(units)
        if (block === 0) refused++
        else {
          assert.ok(arena.sizeOf(block) >= units)
          held.set(block, step)
          mark(arena, block, step)
        }
      } else if (dice < 0.85) {
        assert.ok(isMarked(arena, any, held.get(any) as number))
        arena.free(any)
        held.delete(any)
      } else if (dice < 0.9) {
        arena.shrink(any, Math.ceil(arena.sizeOf(any) / 2))
      } else if (dice < 0.95) {
        const more = arena.sizeOf(any) + 1 + randomBelow(random, 8)
        if (arena.grow(any, more)) {
          assert.ok(arena.sizeOf(any) >= more)
          mark(arena, any, held.get(any) as number)
        }
      } else if (!arena.isOwn(any)) {
        const units = 1 + randomBelow(random, 300)
        const block = arena.clear(arena.runStart(any, false), units, (address) => {
          assert.ok(held.has(address), 'asked for what is held only')
          arena.free(address)
          return held.delete(address)
        })
        if (block !== 0) {
          assert.ok(arena.sizeOf(block) >= units)
          held.set(block, step)
          mark(arena, block, step)
        }
      }
      assert.ok(arena.takenBytes <= LIMIT_BYTES)
      if (step % 500 === 0) for (const [block, pattern] of held) assert.ok(isMarked(arena, block, pattern), 'no two blocks overlap')
    }
    assert.ok(refused > 0, 'the limit was reached')
    for (const block of held.keys()) arena.free(block)
    assert.ok(arena.takenBytes <= SEGMENT_BYTES, 'one empty segment may stay')
    assert.is(arena.spareUnits, arena.limitUnits - (arena.takenBytes === 0 ? 0 : 2))
  }
})

test('a run is not cleared past a block that must stay, and what was cleared is free', () => {
  const arena = new Arena(LIMIT_BYTES, SEGMENT_BYTES)
  const blocks = Array.from({ length: 10 }, () => arena.allocate(10))
  const spare = arena.spareUnits
  const block = arena.clear(blocks[0] as number, 50, (address) => {
    if (address === blocks[3]) return false
    arena.free(address)
    return true
  })
  assert.is(block, 0)
  assert.is(arena.spareUnits, spare + 30)
  assert.is(arena.allocate(30), blocks[0])
})

test('a block over half a segment has a segment of its own, which goes with it', () => {
  const arena = new Arena(LIMIT_BYTES, SEGMENT_BYTES)
  const block = arena.allocate(arena.sharedUnits + 1)
  assert.ok(arena.isOwn(block))
  assert.ok(arena.takenBytes < SEGMENT_BYTES)
  arena.free(block)
  assert.is(arena.takenBytes, 0)
  assert.is(arena.allocate(LIMIT_BYTES / 8), 0)
})

test.run()
