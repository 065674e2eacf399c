/**
 * Leaf directory: the leaves of a key order, by the least key of each, and what is to be known of a leaf without looking into it.
 *
 * Leaves stand in nodes of up to 128, the upper level of a B+ tree and its root. For each leaf a node has, side by side, the four bytes that follow
 * what all its least keys have in common (prefix truncation and poor man's normalized keys; Graefe and Larson, 2001). So a search reads keys,
 * each of them somewhere else in memory, to find the node, and hardly any to find the leaf.
 *
 * A leaf's index is good until a leaf is added or taken away. A full node is split in two, or left full at the very end; a nearly empty one joins
 * its neighbour.
 */
import type { Bytes } from '../lib/bytes.ts'
import { type Random, randomBelow } from '../lib/random.ts'
import type { KeyReading } from './key-reading.ts'

const NODE_SHIFT = 7
const NODE_LEAVES = 2 ** NODE_SHIFT
const IN_NODE = NODE_LEAVES - 1
/** A node below this looks for a neighbour to join. */
const SMALL_NODE = NODE_LEAVES / 4
/** Two nodes join if together they leave room to grow. */
const JOINED_NODES = (NODE_LEAVES * 3) / 4

export class LeafDirectory {
  readonly #reading: KeyReading
  /** By index: where a leaf is, its least entry, how many it has, and how many of these, from the first on, are in order. */
  addresses = new Uint32Array(NODE_LEAVES)
  least = new Uint32Array(NODE_LEAVES)
  counts = new Uint8Array(NODE_LEAVES)
  sorted = new Uint8Array(NODE_LEAVES)
  #heads = new Uint32Array(NODE_LEAVES)
  /** By node: how many leaves it has, how many bytes their least keys share, and its place in `#order`. */
  #sizes = new Uint8Array(1)
  #shared = new Uint16Array(1)
  #places = new Uint32Array(1)
  /** Nodes in ascending order. */
  #order = new Uint32Array(1)
  readonly #unused: number[] = []
  #nodes = 0
  #leaves = 0

  constructor(reading: KeyReading) {
    this.#reading = reading
  }

  get leaves(): number {
    return this.#leaves
  }

  get bytes(): number {
    const ofLeaves =
      this.addresses.byteLength + this.least.byteLength + this.counts.byteLength + this.sorted.byteLength + this.#heads.byteLength
    return ofLeaves + this.#sizes.byteLength + this.#shared.byteLength + this.#places.byteLength + this.#order.byteLength
  }

  /** The first leaf, and the last. There must be one. */
  get first(): number {
    return (this.#order[0] as number) << NODE_SHIFT
  }

  get last(): number {
    const node = this.#order[this.#nodes - 1] as number
    return (node << NODE_SHIFT) + (this.#sizes[node] as number) - 1
  }

  /** The leaf after this one, -1 if it is the last. */
  next(index: number): number {
    const node = index >>> NODE_SHIFT
    if ((index & IN_NODE) + 1 < (this.#sizes[node] as number)) return index + 1
    const place = (this.#places[node] as number) + 1
    return place === this.#nodes ? -1 : (this.#order[place] as number) << NODE_SHIFT
  }

  previous(index: number): number {
    if ((index & IN_NODE) > 0) return index - 1
    const place = (this.#places[index >>> NODE_SHIFT] as number) - 1
    if (place < 0) return -1
    const node = this.#order[place] as number
    return (node << NODE_SHIFT) + (this.#sizes[node] as number) - 1
  }

  /** How many steps it is from one leaf to a later one. O(nodes). */
  distance(from: number, to: number): number {
    const last = this.#places[to >>> NODE_SHIFT] as number
    let steps = (to & IN_NODE) - (from & IN_NODE)
    for (let place = this.#places[from >>> NODE_SHIFT] as number; place < last; place++)
      steps += this.#sizes[this.#order[place] as number] as number
    return steps
  }

  /** Any leaf, all alike. */
  pick(random: Random): number {
    for (;;) {
      const node = this.#order[randomBelow(random, this.#nodes)] as number
      const size = this.#sizes[node] as number
      const at = randomBelow(random, this.#nodes === 1 ? size : NODE_LEAVES)
      if (at < size) return (node << NODE_SHIFT) + at
    }
  }

  /** The last leaf whose least key is at or below this one, else the first. */
  find(key: Bytes, start: number, end: number): number {
    const reading = this.#reading
    let low = 0
    let high = this.#nodes - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      const least = this.least[(this.#order[middle] as number) << NODE_SHIFT] as number
      if (reading.compare(least, key, start, end) <= 0) low = middle
      else high = middle - 1
    }
    const node = this.#order[low] as number
    const base = node << NODE_SHIFT
    low = base
    high = base + (this.#sizes[node] as number) - 1
    if (low === high) return low
    const shared = this.#shared[node] as number
    const order = reading.compareFirst(this.least[base] as number, shared, key, start, end)
    if (order !== 0) return order < 0 ? high : low
    const head = reading.head(key, start, end, shared)
    const heads = this.#heads
    while (low < high) {
      const middle = (low + high + 1) >> 1
      const other = heads[middle] as number
      if (other < head || (other === head && reading.compare(this.least[middle] as number, key, start, end) <= 0)) low = middle
      else high = middle - 1
    }
    return low
  }

  /** The last leaf whose least key begins with this one or is below all that do, else the first. */
  findLast(key: Bytes): number {
    const reading = this.#reading
    let low = 0
    let high = this.#nodes - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (reading.compareBeginning(this.least[(this.#order[middle] as number) << NODE_SHIFT] as number, key) <= 0) low = middle
      else high = middle - 1
    }
    const node = this.#order[low] as number
    low = node << NODE_SHIFT
    high = low + (this.#sizes[node] as number) - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (reading.compareBeginning(this.least[middle] as number, key) <= 0) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Puts a leaf behind another (-1: it is the only one) and returns its index. It is empty as yet; its least entry is told. */
  open(after: number, address: number, least: number): number {
    const index = after < 0 ? this.#addNode(0) << NODE_SHIFT : this.#makeRoom(after)
    this.addresses[index] = address
    this.least[index] = least
    this.counts[index] = 0
    this.sorted[index] = 0
    this.#leaves++
    this.#setHead(index)
    return index
  }

  /** Takes a leaf out. */
  close(index: number): void {
    const node = index >>> NODE_SHIFT
    const size = (this.#sizes[node] as number) - 1
    this.#leaves--
    this.#sizes[node] = size
    this.#shift(index + 1, index, (node << NODE_SHIFT) + size - index)
    if (size === 0) this.#removeNode(node)
    else if (size < SMALL_NODE) this.#join(node)
  }

  /** A leaf has another least key. */
  setLeast(index: number, least: number): void {
    this.least[index] = least
    this.#setHead(index)
  }

  clear(): void {
    this.#resize(1)
    this.#unused.length = 0
    this.#nodes = 0
    this.#leaves = 0
  }

  /** Computes what a node has of a least key, and of all its least keys if they share less now. */
  #setHead(index: number): void {
    const reading = this.#reading
    const node = index >>> NODE_SHIFT
    const base = node << NODE_SHIFT
    const last = base + (this.#sizes[node] as number) - 1
    if (index === base || index === last) {
      // All between the first and the last share what these do.
      const shared = reading.shared(this.least[base] as number, this.least[last] as number)
      if (shared < (this.#shared[node] as number) || base === last) {
        this.#setHeads(node)
        return
      }
    }
    this.#heads[index] = reading.heldHead(this.least[index] as number, this.#shared[node] as number)
  }

  #setHeads(node: number): void {
    const base = node << NODE_SHIFT
    const end = base + (this.#sizes[node] as number)
    const shared = this.#reading.shared(this.least[base] as number, this.least[end - 1] as number)
    this.#shared[node] = shared
    for (let index = base; index < end; index++) this.#heads[index] = this.#reading.heldHead(this.least[index] as number, shared)
  }

  /** An index behind this leaf's, with room for a leaf. */
  #makeRoom(after: number): number {
    let node = after >>> NODE_SHIFT
    let index = after + 1
    if (this.#sizes[node] === NODE_LEAVES) {
      const place = (this.#places[node] as number) + 1
      const atEnd = place === this.#nodes && (index & IN_NODE) === 0
      const added = this.#addNode(place)
      const target = added << NODE_SHIFT
      if (atEnd) return target
      const kept = NODE_LEAVES / 2
      const middle = (node << NODE_SHIFT) + kept
      this.#shift(middle, target, kept)
      this.#sizes[node] = kept
      this.#sizes[added] = kept
      this.#setHeads(node)
      this.#setHeads(added)
      if (index > middle) {
        index += target - middle
        node = added
      }
    }
    const size = this.#sizes[node] as number
    this.#shift(index, index + 1, (node << NODE_SHIFT) + size - index)
    this.#sizes[node] = size + 1
    return index
  }

  #join(node: number): void {
    const place = this.#places[node] as number
    for (const left of [place, place - 1]) {
      if (left < 0 || left + 1 >= this.#nodes) continue
      const first = this.#order[left] as number
      const second = this.#order[left + 1] as number
      const size = this.#sizes[first] as number
      const more = this.#sizes[second] as number
      if (size + more > JOINED_NODES) continue
      this.#shift(second << NODE_SHIFT, (first << NODE_SHIFT) + size, more)
      this.#sizes[first] = size + more
      this.#setHeads(first)
      this.#removeNode(second)
      return
    }
  }

  /** A new node at a place in the order, with room for one leaf in it. Returns its number. */
  #addNode(place: number): number {
    const node = this.#unused.pop() ?? this.#nodes
    if (node === this.#sizes.length) this.#resize(Math.ceil((node * 5) / 4))
    this.#order.copyWithin(place + 1, place, this.#nodes)
    this.#order[place] = node
    this.#nodes++
    this.#sizes[node] = 1
    this.#shared[node] = 0
    this.#renumber(place)
    return node
  }

  #removeNode(node: number): void {
    const place = this.#places[node] as number
    this.#order.copyWithin(place, place + 1, this.#nodes)
    this.#nodes--
    this.#unused.push(node)
    this.#renumber(place)
  }

  #renumber(from: number): void {
    for (let place = from; place < this.#nodes; place++) this.#places[this.#order[place] as number] = place
  }

  #shift(from: number, to: number, count: number): void {
    if (count === 0) return
    this.addresses.copyWithin(to, from, from + count)
    this.least.copyWithin(to, from, from + count)
    this.counts.copyWithin(to, from, from + count)
    this.sorted.copyWithin(to, from, from + count)
    this.#heads.copyWithin(to, from, from + count)
  }

  #resize(nodes: number): void {
    this.addresses = resized(this.addresses, new Uint32Array(nodes * NODE_LEAVES))
    this.least = resized(this.least, new Uint32Array(nodes * NODE_LEAVES))
    this.counts = resized(this.counts, new Uint8Array(nodes * NODE_LEAVES))
    this.sorted = resized(this.sorted, new Uint8Array(nodes * NODE_LEAVES))
    this.#heads = resized(this.#heads, new Uint32Array(nodes * NODE_LEAVES))
    this.#sizes = resized(this.#sizes, new Uint8Array(nodes))
    this.#shared = resized(this.#shared, new Uint16Array(nodes))
    this.#places = resized(this.#places, new Uint32Array(nodes))
    this.#order = resized(this.#order, new Uint32Array(nodes))
  }
}

type Numbers = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>

function resized<T extends Numbers>(array: T, into: T): T {
  into.set(array.subarray(0, into.length))
  return into
}
