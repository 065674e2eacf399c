/** Sealed packets and exchanges: who is believed, what is dropped and counted, and how keys begin and change in a cluster that runs. */
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SeededRandom } from '../../src/lib/random.ts'
import { SecretKeys } from '../../src/lib/secret-keys.ts'
import { Codec, encodeMessage } from '../../src/membership/codec.ts'
import { CODE_BYTES, KeyRing } from '../../src/membership/key-ring.ts'
import { SealedExchanges } from '../../src/membership/sealed-exchanges.ts'
import { SealedPackets } from '../../src/membership/sealed-packets.ts'
import type { Address, ExchangeTransport, PacketTransport } from '../../src/transport/transport.ts'
import { record } from './samples.ts'

const test = suite('sealing')

type Receive = (packet: Buffer, from: Address) => void
type Handle = (message: Buffer, from: Address, respond: (answer: Buffer) => void) => void

/** Delivers to its one receiver, at once, what a test lets through. */
class Loop implements PacketTransport, ExchangeTransport {
  readonly maxPacketBytes = 1400
  readonly sent: Buffer[] = []
  readonly answers: Buffer[] = []
  changed: (bytes: Buffer) => Buffer = (bytes) => bytes
  answerChanged: (bytes: Buffer) => Buffer = (bytes) => bytes
  #receive: Receive = () => {}
  #handle: Handle = () => {}

  send(_to: Address, packet: Buffer): void {
    this.sent.push(packet)
    this.#receive(this.changed(packet), 'a:1')
  }

  onPacket(receive: Receive): void {
    this.#receive = receive
  }

  exchange(_to: Address, message: Buffer, _timeoutMs: number, done: (error: Error | null, answer: Buffer | null) => void): void {
    this.sent.push(message)
    let answered = false
    this.#handle(this.changed(message), 'a:1', (answer) => {
      answered = true
      this.answers.push(answer)
      done(null, this.answerChanged(answer))
    })
    if (!answered) done(new Error('no answer'), null)
  }

  onExchange(handle: Handle): void {
    this.#handle = handle
  }
}

const OLD = Buffer.alloc(32, 1).toString('base64')
const NEW = Buffer.alloc(16, 2).toString('base64')
const MESSAGE = Buffer.from('a packet')

function ring(keys: readonly string[], verifies: boolean = true): KeyRing {
  return new KeyRing(SecretKeys.parse(keys), verifies)
}

interface Outcome {
  readonly heard: readonly string[]
  readonly forged: number
}

/** What a holder of `to` hears of a packet that a holder of `from` sent. */
function sendPacket(from: KeyRing, to: KeyRing, changed: (bytes: Buffer) => Buffer = (bytes) => bytes): Outcome {
  const loop = new Loop()
  loop.changed = changed
  const heard: string[] = []
  const receiver = new SealedPackets(loop, to)
  receiver.onPacket((packet) => heard.push(packet.toString()))
  new SealedPackets(loop, from).send('b:1', MESSAGE)
  return { heard, forged: receiver.forgedTotal }
}

test('what one key has signed is heard under the same key, and is 16 bytes longer on the wire', () => {
  assert.equal(sendPacket(ring([OLD]), ring([OLD])), { heard: ['a packet'], forged: 0 })
  const loop = new Loop()
  const sealed = new SealedPackets(loop, ring([OLD]))
  sealed.send('b:1', MESSAGE)
  assert.is(loop.sent[0]?.length, MESSAGE.length + CODE_BYTES)
  assert.is(sealed.maxPacketBytes, 1400 - CODE_BYTES)
})

test('a packet under another key is dropped and counted', () => {
  assert.equal(sendPacket(ring([OLD]), ring([NEW])), { heard: [], forged: 1 })
})

test('a packet that was cut short anywhere, or has one bit changed, is dropped', () => {
  const whole = MESSAGE.length + CODE_BYTES
  for (let length = 0; length < whole; length++) {
    assert.equal(
      sendPacket(ring([OLD]), ring([OLD]), (bytes) => bytes.subarray(0, length)),
      { heard: [], forged: 1 },
      `${length} bytes`,
    )
  }
  fc.assert(
    fc.property(fc.nat(whole - 1), fc.nat(7), (at, bit) => {
      const { heard } = sendPacket(ring([OLD]), ring([OLD]), (bytes) => {
        const garbled = Buffer.from(bytes)
        garbled[at] = (garbled[at] as number) ^ (1 << bit)
        return garbled
      })
      assert.equal(heard, [])
    }),
    { numRuns: 200 },
  )
})

test('a packet is no question, and no answer', () => {
  const loop = new Loop()
  let asked = 0
  new SealedExchanges(loop, ring([OLD]), new SeededRandom(1)).onExchange(() => asked++)
  const packets = new Loop()
  new SealedPackets(packets, ring([OLD])).send('b:1', MESSAGE)
  loop.exchange('b:1', packets.sent[0] as Buffer, 100, () => {})
  assert.is(asked, 0)
})

test('keys change in three steps, and in each of them everybody hears everybody', () => {
  const steps = [[OLD], [OLD, NEW], [NEW, OLD], [NEW]]
  for (const [index, before] of steps.slice(0, -1).entries()) {
    const after = steps[index + 1] as string[]
    assert.is(sendPacket(ring(before), ring(after)).heard.length, 1, `step ${index}: from before to after`)
    assert.is(sendPacket(ring(after), ring(before)).heard.length, 1, `step ${index}: from after to before`)
  }
  assert.is(sendPacket(ring([OLD]), ring([NEW])).heard.length, 0, 'a step that is left out splits the cluster')
})

test('a ring that is given other keys signs with them from then on', () => {
  const changing = ring([OLD])
  changing.replace(SecretKeys.parse([NEW, OLD]))
  assert.is(sendPacket(changing, ring([NEW])).heard.length, 1)
})

test('a member without keys reads what is signed, and is believed by those that do not verify yet', () => {
  const codec = new Codec('flock')
  const message = { type: 'member', record: record() } as const
  const packet = codec.encodePacket([encodeMessage(message)])
  const loop = new Loop()
  new SealedPackets(loop, ring([OLD])).send('b:1', packet)
  assert.equal(codec.decodePacket(loop.sent[0] as Buffer), { ok: true, value: [message] })

  for (const [verifies, hears] of [
    [true, false],
    [false, true],
  ] as const) {
    const heard: Buffer[] = []
    const receiver = new SealedPackets(loop, ring([OLD], verifies))
    receiver.onPacket((bytes) => heard.push(bytes))
    loop.send('b:1', packet)
    assert.equal(heard, hears ? [packet] : [])
    assert.is(receiver.forgedTotal, 1)
  }
})

function exchanges(asker: KeyRing, asked: KeyRing): { loop: Loop; ask: () => string; forged: () => number } {
  const loop = new Loop()
  new SealedExchanges(loop, asked, new SeededRandom(1)).onExchange((message, _from, respond) => respond(Buffer.from(`re: ${message}`)))
  const sealed = new SealedExchanges(loop, asker, new SeededRandom(2))
  const ask = (): string => {
    let outcome = 'nothing'
    sealed.exchange('b:1', MESSAGE, 100, (error, answer) => {
      outcome = error === null ? `${answer}` : `error: ${error.message}`
    })
    return outcome
  }
  return { loop, ask, forged: () => sealed.forgedTotal }
}

test('a question and its answer come through under one key', () => {
  assert.is(exchanges(ring([OLD]), ring([OLD])).ask(), 're: a packet')
  assert.is(exchanges(ring([OLD, NEW]), ring([NEW, OLD])).ask(), 're: a packet')
})

test('a question under another key gets no answer', () => {
  assert.is(exchanges(ring([OLD]), ring([NEW])).ask(), 'error: no answer')
})

test('an answer that was changed, or cut short, is an exchange that failed', () => {
  const { loop, ask, forged } = exchanges(ring([OLD]), ring([OLD]))
  for (const changed of [
    (bytes: Buffer) => bytes.subarray(0, -1),
    () => Buffer.alloc(0),
    (bytes: Buffer) => Buffer.concat([Buffer.from('x'), bytes.subarray(1)]),
  ]) {
    loop.answerChanged = changed
    assert.match(ask(), /^error: the answer bears no code/)
  }
  assert.is(forged(), 3)
})

test('an answer that was recorded does not fit the next question, though it is asked in the same words', () => {
  const { loop, ask } = exchanges(ring([OLD]), ring([OLD]))
  assert.is(ask(), 're: a packet')
  const recorded = loop.answers[0] as Buffer
  loop.answerChanged = () => recorded
  assert.match(ask(), /^error: the answer bears no code/)
})

test('without verifying, members with and without keys exchange in both directions', () => {
  const keyless = new Loop()
  const codec = new Codec('flock')
  const push = codec.encodeExchange({ type: 'push-pull', source: record(), records: [record()] })
  const decoded = { ok: true, value: { type: 'push-pull', source: { name: 'a-0', generation: record().generation }, records: [record()] } }
  const read = (bytes: Buffer): unknown => codec.decodeExchange(bytes)

  // One with keys asks one without.
  keyless.onExchange((message, _from, respond) => {
    assert.equal(read(message), decoded)
    respond(push)
  })
  let answer: Buffer | null = null
  new SealedExchanges(keyless, ring([OLD], false), new SeededRandom(1)).exchange('b:1', push, 100, (_error, bytes) => {
    answer = bytes
  })
  assert.equal(answer, push)

  // And is asked by it.
  new SealedExchanges(keyless, ring([OLD], false), new SeededRandom(1)).onExchange((message, _from, respond) => {
    assert.equal(message, push)
    respond(push)
  })
  let heard: unknown = null
  keyless.exchange('b:1', push, 100, (_error, bytes) => {
    heard = read(bytes as Buffer)
  })
  assert.equal(heard, decoded)
})

test.run()
