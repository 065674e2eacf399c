/** Packets over real sockets, on loopback. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseAddress } from '../../src/transport/address.ts'
import { UdpPackets } from '../../src/transport/udp.ts'

const test = suite('udp')

async function open(host: string = '127.0.0.1'): Promise<UdpPackets> {
  const packets = new UdpPackets({ host, port: 0 })
  await packets.listen()
  return packets
}

/** Sends until it arrives, as loopback may drop too: at most 50 times. */
function received(from: UdpPackets, to: UdpPackets, packet: Buffer): Promise<{ packet: Buffer; from: string }> {
  return new Promise((resolve, reject) => {
    let attempts = 0
    const timer = setInterval(() => {
      if (attempts++ < 50) {
        from.send(to.address(), packet)
        return
      }
      clearInterval(timer)
      reject(new Error('nothing arrived'))
    }, 20)
    to.onPacket((arrived, sender) => {
      clearInterval(timer)
      resolve({ packet: arrived, from: sender })
    })
    from.send(to.address(), packet)
  })
}

test('a packet of the largest size arrives whole, with the address of its sender', async () => {
  const [a, b] = [await open(), await open()]
  try {
    const sent = Buffer.alloc(a.maxPacketBytes, 7)
    assert.equal(await received(a, b, sent), { packet: sent, from: a.address() })
  } finally {
    await Promise.all([a.close(), b.close()])
  }
})

test('a packet over the limit is refused with a RangeError', async () => {
  const a = await open()
  try {
    assert.throws(() => a.send('127.0.0.1:9', Buffer.alloc(1401)), RangeError)
  } finally {
    await a.close()
  }
})

test('a packet over the limit that somebody else sent is dropped', async () => {
  const [a, b] = [await open(), await open()]
  const stranger = createSocket('udp4')
  try {
    const { host, port } = parseAddress(b.address()) as { host: string; port: number }
    const lengths: number[] = []
    b.onPacket((packet) => lengths.push(packet.length))
    await new Promise<void>((resolve) => stranger.send(Buffer.alloc(1401), port, host, () => resolve()))
    await received(a, b, Buffer.from('after it'))
    assert.equal(lengths, [])
  } finally {
    stranger.close()
    await Promise.all([a.close(), b.close()])
  }
})

test('what cannot be sent is lost without a word', async () => {
  const a = new UdpPackets({ host: '127.0.0.1', port: 0 })
  a.send('127.0.0.1:9', Buffer.from('not bound yet'))
  await a.listen()
  a.send('no address', Buffer.from('x'))
  a.send('[::1]:9', Buffer.from('the other family'))
  a.send('127.0.0.1:9', Buffer.from('nobody there'))
  await new Promise((resolve) => setTimeout(resolve, 20))
  await a.close()
  a.send('127.0.0.1:9', Buffer.from('closed'))
  await a.close()
})

test('an address that is taken rejects', async () => {
  const a = await open()
  const { port } = parseAddress(a.address()) as { port: number }
  const second = new UdpPackets({ host: '127.0.0.1', port })
  let failure: unknown
  await second.listen().catch((error: unknown) => {
    failure = error
  })
  assert.match(String(failure), /EADDRINUSE/)
  await Promise.all([a.close(), second.close()])
})

test('IPv6 addresses stand in brackets', async () => {
  const probe = createSocket('udp6')
  probe.bind(0, '::1')
  const available = await once(probe, 'listening').then(
    () => true,
    () => false,
  )
  probe.close()
  if (!available) return
  const [a, b] = [await open('::1'), await open('::1')]
  try {
    assert.match(a.address(), /^\[::1\]:\d+$/)
    assert.is((await received(a, b, Buffer.from('six'))).from, a.address())
  } finally {
    await Promise.all([a.close(), b.close()])
  }
})

test.run()
