/** `host:port` and its halves. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatAddress, parseAddress } from '../../src/transport/address.ts'

const test = suite('address')

for (const [address, host, port] of [
  ['10.0.0.1:7946', '10.0.0.1', 7946],
  ['[fd00::1]:7946', 'fd00::1', 7946],
  ['jackdaw-0.jackdaw:1', 'jackdaw-0.jackdaw', 1],
] as const) {
  test(`${address} is read and written back`, () => {
    assert.equal(parseAddress(address), { host, port })
    assert.is(formatAddress(host, port), address)
  })
}

for (const address of ['', ':1', 'host', 'host:', 'host:0', 'host:65536', 'host:1x', 'host:-1', 'fd00::1:7946', '[]:1', 'host:123456']) {
  test(`'${address}' is no address`, () => assert.is(parseAddress(address), null))
}

test.run()
