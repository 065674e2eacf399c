import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SingleFlight, untilAborted } from '../../src/client/single-flight.ts'

const test = suite('client: single flight')

test('callers at the same time share one fetch; the next one starts anew', async () => {
  const flights = new SingleFlight<number>()
  let fetched = 0
  const fetch = async (): Promise<number> => ++fetched
  assert.equal(await Promise.all([flights.fly('a', fetch), flights.fly('a', fetch), flights.fly('b', fetch)]), [1, 1, 2])
  assert.is(await flights.fly('a', fetch), 3)
})

test('an error goes to all who waited, and is not remembered', async () => {
  const flights = new SingleFlight<number>()
  const failing = [1, 2].map(() => flights.fly('a', () => Promise.reject(new Error('no'))))
  for (const { status } of await Promise.allSettled(failing)) assert.is(status, 'rejected')
  assert.is(await flights.fly('a', async () => 4), 4)
})

test('a passenger that aborts leaves alone', async () => {
  const { promise, resolve } = Promise.withResolvers<number>()
  const controller = new AbortController()
  const leaving = untilAborted(promise, controller.signal)
  const staying = untilAborted(promise, new AbortController().signal)
  controller.abort(new Error('enough'))
  const error = await leaving.catch((caught: Error) => caught)
  assert.is((error as Error).name, 'AbortError')
  assert.is(((error as Error).cause as Error).message, 'enough')
  resolve(5)
  assert.is(await staying, 5)
  assert.is(((await untilAborted(promise, controller.signal).catch((caught: Error) => caught)) as Error).name, 'AbortError')
})

test.run()
