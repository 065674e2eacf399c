/** Which Ingresses would share the requests of the test. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ingressRivals } from './ingress-rivals.ts'

const test = suite('ingress rivals')

const ingress = (namespace: string, spec: object): object => ({ metadata: { namespace, name: 'jackdaw' }, spec })
const rivals = (...items: object[]): readonly string[] => ingressRivals(JSON.stringify({ items }), 'ours')

test('a release without a host in another namespace would share the requests', () => {
  assert.equal(rivals(ingress('default', { rules: [{ http: {} }] })), ['default/jackdaw'])
  assert.equal(rivals(ingress('default', { rules: [{ host: 'grpc.example.com' }, { host: '' }] })), ['default/jackdaw'])
})

test('one of the test itself, one with a host, one of another class, and one without rules would not', () => {
  assert.equal(
    rivals(
      ingress('ours', { rules: [{ http: {} }] }),
      ingress('default', { rules: [{ host: 'cache.example.com' }] }),
      ingress('default', { ingressClassName: 'other', rules: [{ http: {} }] }),
      ingress('default', {}),
    ),
    [],
  )
})

test.run()
