/** Peer streams over real gRPC, on loopback; and the one field of their messages, byte by byte. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectHttp2, constants } from 'node:http2'
import { createServer } from 'node:net'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodePayload, encodePayload, GrpcStreams } from '../../src/transport/grpc.ts'
import { CHANNELS, type Channel, type MessageStream, type MessageStreamHandlers } from '../../src/transport/transport.ts'

const test = suite('grpc')

const DEADLINE_MS = 3000

/** One end of a stream and what it heard. */
class End implements MessageStreamHandlers {
  readonly messages: Buffer[] = []
  readonly closings: string[] = []
  stream: MessageStream | null = null

  message(message: Buffer): void {
    this.messages.push(message)
  }

  closed(reason: string): void {
    this.closings.push(reason)
  }
}

async function until(done: () => boolean, what: string): Promise<void> {
  const end = performance.now() + DEADLINE_MS
  while (!done()) {
    if (performance.now() > end) throw new Error(`${what}: not so after ${DEADLINE_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60))

/** Runs `body` with two transports, of which the second listens, and ends both. */
async function between(
  body: (a: GrpcStreams, b: GrpcStreams, address: string, arrived: (readonly [Channel, End])[]) => Promise<void>,
): Promise<void> {
  const [a, b] = [new GrpcStreams(), new GrpcStreams()]
  const arrived: (readonly [Channel, End])[] = []
  b.onStream((stream, channel) => {
    const end = new End()
    end.stream = stream
    arrived.push([channel, end])
    return end
  })
  const port = await b.listen('127.0.0.1', 0)
  try {
    await body(a, b, `127.0.0.1:${port}`, arrived)
  } finally {
    a.close()
    b.close()
  }
}

function dial(from: GrpcStreams, to: string, channel: Channel): End {
  const end = new End()
  end.stream = from.dial(to, channel, end)
  return end
}

test('a stream carries messages both ways, in order', () =>
  between(async (a, _b, address, arrived) => {
    const near = dial(a, address, 'replication')
    for (let i = 0; i < 100; i++) near.stream?.send(Buffer.from(`out ${i}`))
    await until(() => arrived[0]?.[1].messages.length === 100, 'all that was sent to arrive')
    const far = (arrived[0] as (typeof arrived)[0])[1]
    for (let i = 0; i < 100; i++) far.stream?.send(Buffer.from(`back ${i}`))
    await until(() => near.messages.length === 100, 'all answers to arrive')
    assert.equal(
      far.messages.map(String),
      Array.from({ length: 100 }, (_, i) => `out ${i}`),
    )
    assert.equal(
      near.messages.map(String),
      Array.from({ length: 100 }, (_, i) => `back ${i}`),
    )
    assert.is(near.closings.length + far.closings.length, 0)
  }))

test('each channel arrives as itself', () =>
  between(async (a, _b, address, arrived) => {
    for (const channel of CHANNELS) dial(a, address, channel).stream?.send(Buffer.from(channel))
    await until(() => arrived.filter(([, end]) => end.messages.length === 1).length === CHANNELS.length, 'all channels')
    for (const [channel, end] of arrived) assert.is(String(end.messages[0]), channel)
  }))

test('messages of any size pass, empty ones too, and none is left queued', () =>
  between(async (a, _b, address, arrived) => {
    const near = dial(a, address, 'bulk')
    const sizes = [0, 1, 127, 128, 16_383, 16_384, 1_000_000, 5_000_000, 3]
    for (const size of sizes) near.stream?.send(Buffer.alloc(size, size))
    assert.ok((near.stream?.queuedBytes as number) > 0)
    await until(() => arrived[0]?.[1].messages.length === sizes.length, 'all to arrive')
    assert.equal(
      arrived[0]?.[1].messages.map((message) => message.length),
      sizes,
    )
    for (const [i, message] of (arrived[0]?.[1].messages ?? []).entries())
      assert.ok(message.every((byte) => byte === ((sizes[i] as number) & 0xff)))
    await until(() => near.stream?.queuedBytes === 0, 'nothing to be queued')
  }))

test('the memory of messages that have left is used again for none that has not', () =>
  between(async (a, _b, address, arrived) => {
    const near = dial(a, address, 'request')
    const count = 600
    const sizeOf = (i: number): number => 1000 + ((i * 7919) % 150_000)
    const message = Buffer.alloc(200_000)
    for (let i = 0; i < count; i++) {
      // Whoever sends uses its buffer again at once.
      near.stream?.send(message.fill(i & 0xff, 0, sizeOf(i)).subarray(0, sizeOf(i)))
      if (i % 20 === 0) await until(() => (near.stream?.queuedBytes as number) < 4_000_000, 'some of it to leave')
    }
    await until(() => arrived[0]?.[1].messages.length === count, 'all to arrive')
    for (const [i, got] of (arrived[0]?.[1].messages ?? []).entries()) {
      assert.is(got.length, sizeOf(i))
      assert.ok(got.equals(Buffer.alloc(got.length, i & 0xff)), `message ${i} is another one`)
    }
  }))

test('to dial where nobody listens ends in closed, once and in a later turn', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  const streams = new GrpcStreams()
  const end = dial(streams, `127.0.0.1:${port}`, 'request')
  end.stream?.send(Buffer.from('anybody?'))
  assert.is(end.closings.length, 0)
  await until(() => end.closings.length > 0, 'closed to be called')
  await settle()
  assert.is(end.closings.length, 1)
  end.stream?.send(Buffer.from('still?'))
  end.stream?.close()
  streams.close()
})

test('the dialler’s close is heard at the other end, once, and not at its own', () =>
  between(async (a, _b, address, arrived) => {
    const near = dial(a, address, 'request')
    near.stream?.send(Buffer.from('x'))
    await until(() => arrived[0]?.[1].messages.length === 1, 'the stream to arrive')
    near.stream?.close()
    near.stream?.close()
    near.stream?.send(Buffer.from('too late'))
    const far = (arrived[0] as (typeof arrived)[0])[1]
    await until(() => far.closings.length > 0, 'the other end to hear of it')
    await settle()
    assert.is(far.closings.length, 1)
    assert.equal(far.messages.map(String), ['x'])
    assert.equal(near.closings, [])
  }))

test('the acceptor’s close is heard at the dialler, once, after what was sent before', () =>
  between(async (a, _b, address, arrived) => {
    const near = dial(a, address, 'request')
    near.stream?.send(Buffer.from('x'))
    await until(() => arrived[0]?.[1].messages.length === 1, 'the stream to arrive')
    const far = (arrived[0] as (typeof arrived)[0])[1]
    far.stream?.send(Buffer.from('last words'))
    far.stream?.close()
    await until(() => near.closings.length > 0, 'the dialler to hear of it')
    await settle()
    assert.is(near.closings.length, 1)
    assert.equal(near.messages.map(String), ['last words'])
    assert.equal(far.closings, [])
  }))

test('a listener that ends breaks its streams, and can be dialled again at once when it is back', async () => {
  const a = new GrpcStreams()
  let b = new GrpcStreams()
  const arrived: End[] = []
  const accept = (stream: MessageStream): End => {
    const end = new End()
    end.stream = stream
    arrived.push(end)
    return end
  }
  b.onStream(accept)
  const port = await b.listen('127.0.0.1', 0)
  const first = dial(a, `127.0.0.1:${port}`, 'request')
  first.stream?.send(Buffer.from('1'))
  await until(() => arrived[0]?.messages.length === 1, 'the stream to arrive')
  b.close()
  await until(() => first.closings.length === 1, 'the break to be heard')
  b = new GrpcStreams()
  b.onStream(accept)
  await b.listen('127.0.0.1', port)
  const second = dial(a, `127.0.0.1:${port}`, 'request')
  second.stream?.send(Buffer.from('2'))
  await until(() => arrived.at(-1)?.messages.some((message) => String(message) === '2') === true, 'the new stream to arrive')
  a.close()
  b.close()
})

test('after close nothing is heard any more, of open streams or of dials under way', () =>
  between(async (a, b, address, arrived) => {
    const near = dial(a, address, 'request')
    near.stream?.send(Buffer.from('x'))
    await until(() => arrived[0]?.[1].messages.length === 1, 'the stream to arrive')
    const far = (arrived[0] as (typeof arrived)[0])[1]
    const underWay = dial(a, address, 'bulk')
    const nowhere = dial(a, '127.0.0.1:1', 'request')
    far.stream?.send(Buffer.from('late'))
    a.close()
    await settle()
    b.close()
    await settle()
    for (const end of [near, underWay, nowhere]) {
      assert.equal(end.messages, [])
      assert.equal(end.closings, [])
    }
  }))

test('the close of the transport that dialled is heard at the other end, once for each stream', () =>
  between(async (a, _b, address, arrived) => {
    const near = CHANNELS.map((channel) => dial(a, address, channel))
    for (const { stream } of near) stream?.send(Buffer.from('x'))
    const all = (so: (end: End) => boolean): boolean => arrived.filter(([, end]) => so(end)).length === CHANNELS.length
    await until(() => all(({ messages }) => messages.length === 1), 'the streams to arrive')
    a.close()
    for (const { stream } of near) stream?.send(Buffer.from('too late'))
    await until(() => all(({ closings }) => closings.length > 0), 'the other end to hear of it')
    await settle()
    for (const [, { messages, closings }] of arrived) {
      assert.equal(messages.map(String), ['x'])
      assert.is(closings.length, 1)
    }
  }))

test('a port that is taken is an error', () =>
  between(async (a, _b, address) => {
    let failed = false
    await a.listen('127.0.0.1', Number(address.split(':')[1])).catch(() => {
      failed = true
    })
    assert.ok(failed)
  }))

test('a process ends by itself once its transports are closed', async () => {
  const script = `
    import { GrpcStreams } from ${JSON.stringify(new URL('../../src/transport/grpc.ts', import.meta.url).href)}
    const [a, b] = [new GrpcStreams(), new GrpcStreams()]
    b.onStream((stream) => ({ message: () => stream.send(Buffer.from('re')), closed() {} }))
    const port = await b.listen('127.0.0.1', 0)
    for (const channel of ['request', 'replication', 'bulk']) {
      const stream = a.dial('127.0.0.1:' + port, channel, {
        message() {
          if (++answers === 3) { a.close(); b.close(); console.log('closed') }
        },
        closed() {},
      })
      stream.send(Buffer.from('x'))
    }
    a.dial('127.0.0.1:1', 'request', { message() {}, closed() {} })
    var answers = 0
  `
  const { error, stdout } = await new Promise<{ error: Error | null; stdout: string }>((resolve) => {
    execFile(process.execPath, ['--input-type=module', '-e', script], { timeout: DEADLINE_MS }, (failure, output) => {
      resolve({ error: failure, stdout: output })
    })
  })
  assert.is(stdout, 'closed\n')
  assert.is(error, null)
})

test('a payload comes back as it went in, at every border of its length', () => {
  for (const length of [0, 1, 2, 126, 127, 128, 129, 16_383, 16_384, 16_385, 2_097_151, 2_097_152, 2_097_153]) {
    const payload = Buffer.alloc(length, 0xa5)
    const message = encodePayload(payload)
    const lengthBytes = length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : 4
    assert.is(message.length, 1 + lengthBytes + length)
    assert.ok(decodePayload(message).equals(payload), `${length} bytes`)
  }
})

test('any payload comes back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      assert.equal(decodePayload(encodePayload(Buffer.from(bytes))), Buffer.from(bytes))
    }),
  )
})

test('a payload is written as protobuf writes field 1', () => {
  assert.equal(encodePayload(Buffer.from('abc')), Buffer.from('0a03616263', 'hex'))
  assert.equal(encodePayload(Buffer.alloc(300)).subarray(0, 3), Buffer.from('0aac02', 'hex'))
})

test('what other encoders make of a payload is read: no bytes for an empty one, fields of a later version behind it', () => {
  assert.is(decodePayload(Buffer.alloc(0)).length, 0)
  assert.equal(decodePayload(Buffer.from('0a03616263120178', 'hex')), Buffer.from('abc'))
})

const MALFORMED: readonly (readonly [string, string])[] = [
  ['another field', '1203616263'],
  ['another wire type', '0803'],
  ['no length', '0a'],
  ['a length that does not end', '0aff'],
  ['a length of six bytes', '0a808080808001'],
  ['a length of nothing in six bytes', '0a808080808000'],
  ['a length of endless bytes', `0a${'80'.repeat(40)}`],
  ['fewer bytes than it says', '0a0461626'.padEnd(10, '3')],
  ['4 GiB that are not there', '0affffffff0f'],
  ['32 GiB that are not there', '0affffffff7f'],
]

for (const [what, hex] of MALFORMED) {
  test(`a message with ${what} is refused`, () => {
    assert.throws(
      () => decodePayload(Buffer.from(hex, 'hex')),
      (error: Error) => /peer message/.test(error.message),
    )
  })
}

test('a message that is truncated at any byte but the first is refused', () => {
  const whole = encodePayload(Buffer.alloc(200, 1))
  for (let length = 1; length < whole.length; length++) assert.throws(() => decodePayload(whole.subarray(0, length)), /peer message/)
})

test('the header of a message is written in front of it where there is room, and else a copy is made', () => {
  for (const length of [0, 1, 127, 128, 20_000, 3_000_000]) {
    const memory = Buffer.alloc(length + 10, 0xee)
    const payload = memory.subarray(10)
    const copied = encodePayload(payload)
    const inPlace = encodePayload(payload, 10)
    assert.ok(inPlace.equals(copied))
    assert.is(inPlace.buffer, memory.buffer)
    assert.is.not(copied.buffer, memory.buffer)
    assert.ok(decodePayload(inPlace).equals(payload))
    // One byte less than it takes.
    assert.is.not(encodePayload(payload, copied.length - length - 1).buffer, memory.buffer)
  }
})

test('who dials may send megabytes before the other end has read any', async () => {
  const streams = new GrpcStreams()
  streams.onStream(() => new End())
  const port = await streams.listen('127.0.0.1', 0)
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  try {
    const call = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/jackdaw.peer.v1.Peer/Replication',
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      te: 'trailers',
    })
    call.on('error', () => {})
    const wide = 4 * 1024 * 1024
    await until(() => session.remoteSettings?.initialWindowSize === wide, 'the window of streams')
    await until(() => (session.state.remoteWindowSize ?? 0) >= wide, 'the window of the connection')
  } finally {
    session.destroy()
    streams.close()
  }
})

test.run()
