import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PodPicture } from '../../src/discovery/pod-picture.ts'
import { podObject, statefulSetObject } from './fake-api-server.ts'

const test = suite('pod picture')

const SELF = podObject('jackdaw-0', 'uid-0')
const OTHER = podObject('jackdaw-1', 'uid-1', { status: { podIP: '10.0.0.2' } })

function picture(): PodPicture {
  return new PodPicture({ statefulSet: 'jackdaw', selfUid: 'uid-0', gossipPort: 7946 })
}

/** Has heard of two running pods and a StatefulSet of three. */
function heardPicture(): PodPicture {
  const heard = picture()
  heard.podsListed([SELF, OTHER])
  heard.statefulSetSeen(statefulSetObject(3))
  return heard
}

function names(subject: PodPicture): string[] {
  return subject.snapshot().candidates.map(({ name, uid }) => `${name}/${uid}`)
}

test('it is heard once both the pods and the StatefulSet are known, in either order', () => {
  const podsFirst = picture()
  assert.equal(podsFirst.snapshot(), { candidates: [], wanted: [], heard: false })
  podsFirst.podsListed([SELF])
  assert.equal(podsFirst.snapshot(), { candidates: [], wanted: [], heard: false })
  podsFirst.statefulSetSeen(statefulSetObject(1))
  const setFirst = picture()
  setFirst.statefulSetSeen(statefulSetObject(1))
  assert.is(setFirst.snapshot().heard, false)
  assert.is(setFirst.podsListed([SELF]).changed, true)
  for (const heard of [podsFirst, setFirst]) {
    assert.equal(heard.snapshot(), {
      candidates: [{ name: 'jackdaw-0', address: '10.0.0.1:7946', uid: 'uid-0', knownNotRunning: false, stopping: false }],
      wanted: ['jackdaw-0'],
      heard: true,
    })
  }
})

test('without its own UID it could believe nothing, and is refused', () => {
  assert.throws(() => new PodPicture({ statefulSet: 'jackdaw', selfUid: '', gossipPort: 7946 }), /UID/)
})

const running = { name: 'jackdaw', restartCount: 0, state: { running: {} } }
const waiting = { name: 'jackdaw', restartCount: 0, state: { waiting: { reason: 'ContainerCreating' } }, lastState: {} }
const sidecar = { name: 'sidecar', restartCount: 0, state: { waiting: { reason: 'ImagePullBackOff' } } }

for (const [what, status, address, knownNotRunning] of [
  ['running', {}, '10.0.0.1:7946', false],
  ['running with an IPv6 address', { podIP: 'fd00::1' }, '[fd00::1]:7946', false],
  ['not scheduled', { phase: 'Pending', podIP: undefined, containerStatuses: undefined }, null, true],
  ['scheduled, its image on the way', { phase: 'Pending', podIP: undefined, containerStatuses: [waiting] }, null, true],
  ['in its init containers, with an address', { phase: 'Pending', containerStatuses: [waiting] }, '10.0.0.1:7946', true],
  ['pending for a sidecar while ours runs', { phase: 'Pending', containerStatuses: [sidecar, running] }, '10.0.0.1:7946', false],
  [
    'pending, and ours has run before',
    { phase: 'Pending', containerStatuses: [{ ...waiting, lastState: { terminated: { exitCode: 1 } } }] },
    '10.0.0.1:7946',
    false,
  ],
  ['pending after a restart', { phase: 'Pending', containerStatuses: [{ ...waiting, restartCount: 2 }] }, '10.0.0.1:7946', false],
  ['between two crashes', { containerStatuses: [{ ...waiting, restartCount: 5 }] }, '10.0.0.1:7946', false],
  ['on a node that is lost', { phase: 'Unknown' }, '10.0.0.1:7946', false],
  ['evicted, its address free for others', { phase: 'Failed' }, null, true],
  ['finished', { phase: 'Succeeded' }, null, true],
  ['without a phase', { phase: undefined }, '10.0.0.1:7946', false],
  ['with an address that is none', { podIP: 'evil.example:80/#' }, null, false],
] as const) {
  test(`a pod ${what} has address ${address} and is ${knownNotRunning ? '' : 'not '}known not to run`, () => {
    const subject = heardPicture()
    subject.podSeen(podObject('jackdaw-2', 'uid-2', { status }))
    assert.equal(subject.snapshot().candidates[2], { name: 'jackdaw-2', address, uid: 'uid-2', knownNotRunning, stopping: false })
  })
}

test('a deletionTimestamp means that the pod is stopping, and is no proof that it is gone', () => {
  const subject = heardPicture()
  const stopping = podObject('jackdaw-1', 'uid-1', { metadata: { deletionTimestamp: '2026-01-01T00:00:30Z' } })
  assert.equal(subject.podSeen(stopping), { changed: true, gone: [] })
  assert.is(subject.snapshot().candidates[1]?.stopping, true)
})

test('what does not touch a candidate is no change', () => {
  const subject = heardPicture()
  assert.equal(subject.podSeen(podObject('jackdaw-0', 'uid-0', { metadata: { labels: { a: 'b' } } })), { changed: false, gone: [] })
  assert.equal(subject.podsListed([SELF, OTHER]), { changed: false, gone: [], believed: true })
  assert.equal(subject.statefulSetSeen(statefulSetObject(3)), { changed: false, gone: [] })
})

test('DELETED is a proof', () => {
  const subject = heardPicture()
  assert.equal(subject.podDeleted(OTHER), { changed: true, gone: [{ name: 'jackdaw-1', uid: 'uid-1' }] })
  assert.equal(names(subject), ['jackdaw-0/uid-0'])
})

test('DELETED of an earlier life leaves the pod that bears the name now', () => {
  const subject = heardPicture()
  assert.equal(subject.podDeleted(podObject('jackdaw-1', 'uid-before')), {
    changed: false,
    gone: [{ name: 'jackdaw-1', uid: 'uid-before' }],
  })
  assert.equal(names(subject), ['jackdaw-0/uid-0', 'jackdaw-1/uid-1'])
})

test('another UID under a known name proves the old one gone', () => {
  const subject = heardPicture()
  assert.equal(subject.podSeen(podObject('jackdaw-1', 'uid-new')), { changed: true, gone: [{ name: 'jackdaw-1', uid: 'uid-1' }] })
  assert.equal(names(subject), ['jackdaw-0/uid-0', 'jackdaw-1/uid-new'])
})

test('a complete list that lacks a known UID is a proof', () => {
  const subject = heardPicture()
  assert.equal(subject.podsListed([SELF]), { changed: true, gone: [{ name: 'jackdaw-1', uid: 'uid-1' }], believed: true })
  assert.equal(names(subject), ['jackdaw-0/uid-0'])
})

test('a list that shows a known name with a new UID removes the old life, and not the new one', () => {
  const subject = heardPicture()
  const change = subject.podsListed([SELF, podObject('jackdaw-1', 'uid-new')])
  assert.equal(change, { changed: true, gone: [{ name: 'jackdaw-1', uid: 'uid-1' }], believed: true })
  assert.equal(names(subject), ['jackdaw-0/uid-0', 'jackdaw-1/uid-new'])
})

test('an empty list removes nobody', () => {
  const subject = heardPicture()
  assert.equal(subject.podsListed([]), { changed: false, gone: [], believed: false })
  assert.equal(names(subject), ['jackdaw-0/uid-0', 'jackdaw-1/uid-1'])
})

test('a list without our own pod adds and updates, but proves nothing', () => {
  const subject = heardPicture()
  const change = subject.podsListed([podObject('jackdaw-2', 'uid-2'), podObject('jackdaw-1', 'uid-older')])
  assert.equal(change, { changed: true, gone: [], believed: false })
  assert.equal(names(subject), ['jackdaw-0/uid-0', 'jackdaw-1/uid-1', 'jackdaw-2/uid-2'])
  assert.equal(subject.podsListed([SELF]).gone, [
    { name: 'jackdaw-1', uid: 'uid-1' },
    { name: 'jackdaw-2', uid: 'uid-2' },
  ])
})

test('a list without our own pod is not heard as the first one', () => {
  const subject = picture()
  subject.statefulSetSeen(statefulSetObject(3))
  subject.podsListed([OTHER])
  assert.is(subject.snapshot().heard, false)
  assert.is(subject.podsListed([SELF, OTHER]).changed, true)
  assert.is(subject.snapshot().heard, true)
})

test('our own pod under a new UID in a list is no word about us', () => {
  const subject = heardPicture()
  assert.equal(subject.podsListed([podObject('jackdaw-0', 'uid-new'), OTHER]), { changed: false, gone: [], believed: false })
})

test('a list with an item that cannot be read proves nothing', () => {
  for (const broken of [null, 7, {}, { metadata: {} }, { metadata: { name: 'jackdaw-1', uid: '' } }]) {
    const subject = heardPicture()
    assert.equal(subject.podsListed([SELF, broken]), { changed: false, gone: [], believed: false })
    assert.equal(subject.podSeen(broken), { changed: false, gone: [] })
    assert.equal(subject.podDeleted(broken), { changed: false, gone: [] })
    assert.equal(subject.statefulSetSeen(broken), { changed: false, gone: [] })
  }
})

for (const [what, ownerReferences] of [
  ['nobody', undefined],
  ['another StatefulSet', [{ kind: 'StatefulSet', name: 'jackdaw-canary' }]],
  ['a ReplicaSet of the same name', [{ kind: 'ReplicaSet', name: 'jackdaw' }]],
  ['what cannot be read', [null, 7]],
] as const) {
  test(`a pod owned by ${what} is a stranger`, () => {
    const subject = heardPicture()
    const stranger = podObject('stranger', 'uid-s', { metadata: { ownerReferences } })
    assert.equal(subject.podSeen(stranger), { changed: false, gone: [] })
    assert.equal(subject.podsListed([SELF, OTHER, stranger]), { changed: false, gone: [], believed: true })
    assert.equal(subject.podDeleted(stranger), { changed: false, gone: [] })
  })
}

test('a pod orphaned by the deletion of its StatefulSet stays, is followed, and can be deleted', () => {
  const subject = heardPicture()
  const orphan = podObject('jackdaw-1', 'uid-1', { metadata: { ownerReferences: undefined }, status: { podIP: '10.0.0.2' } })
  assert.equal(subject.podSeen(orphan), { changed: false, gone: [] })
  assert.equal(subject.podsListed([SELF, orphan]), { changed: false, gone: [], believed: true })
  assert.equal(subject.podDeleted(orphan).gone, [{ name: 'jackdaw-1', uid: 'uid-1' }])
})

for (const [what, spec, wanted] of [
  ['three', { replicas: 3 }, ['jackdaw-0', 'jackdaw-1', 'jackdaw-2']],
  ['two from 5', { replicas: 2, ordinals: { start: 5 } }, ['jackdaw-5', 'jackdaw-6']],
  ['none', { replicas: 0 }, []],
] as const) {
  test(`a StatefulSet of ${what} wants ${wanted.join(', ') || 'nobody'}`, () => {
    const subject = picture()
    subject.podsListed([SELF])
    subject.statefulSetSeen({ metadata: { name: 'jackdaw' }, spec })
    assert.equal(subject.snapshot().wanted, wanted)
    assert.is(subject.snapshot().heard, true)
  })
}

test('a size that cannot be meant, or another StatefulSet, leaves the wanted names', () => {
  const subject = heardPicture()
  for (const replicas of [-1, 1.5, '5', 1e9, Number.NaN, null, undefined]) {
    assert.equal(subject.statefulSetSeen({ metadata: { name: 'jackdaw' }, spec: { replicas } }), { changed: false, gone: [] })
  }
  assert.equal(subject.statefulSetSeen({ metadata: { name: 'jackdaw' }, spec: { replicas: 5, ordinals: { start: -1 } } }).changed, false)
  assert.equal(subject.statefulSetSeen({ metadata: { name: 'raven' }, spec: { replicas: 5 } }).changed, false)
  assert.is(subject.snapshot().wanted.length, 3)
})

test('a changed start of the ordinals is a change, though the size is the same', () => {
  const subject = heardPicture()
  assert.is(subject.statefulSetSeen(statefulSetObject(3, { start: 1 })).changed, true)
  assert.equal(subject.snapshot().wanted, ['jackdaw-1', 'jackdaw-2', 'jackdaw-3'])
})

test('a snapshot that was handed out does not change afterwards', () => {
  const subject = heardPicture()
  const before = subject.snapshot()
  subject.podDeleted(OTHER)
  subject.statefulSetSeen(statefulSetObject(1))
  assert.is(before.candidates.length, 2)
  assert.is(before.wanted.length, 3)
})

test.run()
