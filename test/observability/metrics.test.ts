import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Metrics } from '../../src/observability/metrics.ts'

const test = suite('metrics')

async function linesOf(metrics: Metrics, name: string): Promise<string[]> {
  return (await metrics.text()).split('\n').filter((line) => line.startsWith(name))
}

test('a number is read at every scrape', async () => {
  const metrics = new Metrics('1.2.3')
  let count = 3
  metrics.counter('jackdaw_things_total', 'Things.', () => count)
  metrics.gauge('jackdaw_level', 'The level.', () => -count)
  assert.equal(await linesOf(metrics, 'jackdaw_things'), ['jackdaw_things_total 3'])
  count = 5
  assert.equal(await linesOf(metrics, 'jackdaw_things'), ['jackdaw_things_total 5'])
  assert.equal(await linesOf(metrics, 'jackdaw_level'), ['jackdaw_level -5'])
  assert.match(await metrics.text(), '# HELP jackdaw_level The level.\n# TYPE jackdaw_level gauge\n')
})

test('labelled samples are those of this scrape, and none of an earlier one', async () => {
  const metrics = new Metrics('1.2.3')
  let states = ['alive', 'dead']
  const read = () => states.map((state, i) => ({ labels: { state }, value: i + 1 }))
  metrics.gauge('jackdaw_members', 'Members.', read, ['state'])
  metrics.counter('jackdaw_changes_total', 'Changes.', read, ['state'])
  assert.equal(await linesOf(metrics, 'jackdaw_members'), ['jackdaw_members{state="alive"} 1', 'jackdaw_members{state="dead"} 2'])
  states = ['dead']
  assert.equal(await linesOf(metrics, 'jackdaw_members'), ['jackdaw_members{state="dead"} 1'])
  assert.equal(await linesOf(metrics, 'jackdaw_changes'), ['jackdaw_changes_total{state="dead"} 1'])
})

test('a histogram counts into inclusive, cumulative buckets, by label', async () => {
  const metrics = new Metrics('1.2.3')
  const histogram = metrics.histogram('jackdaw_wait_seconds', 'Waits.', ['route', 'status'], [0.1, 1])
  for (const seconds of [0.05, 0.1, 0.5, 2]) histogram.observe(seconds, '/', '200')
  histogram.observe(0, '/', '404')
  assert.equal(await linesOf(metrics, 'jackdaw_wait'), [
    'jackdaw_wait_seconds_bucket{route="/",status="200",le="0.1"} 2',
    'jackdaw_wait_seconds_bucket{route="/",status="200",le="1"} 3',
    'jackdaw_wait_seconds_bucket{route="/",status="200",le="+Inf"} 4',
    'jackdaw_wait_seconds_sum{route="/",status="200"} 2.65',
    'jackdaw_wait_seconds_count{route="/",status="200"} 4',
    'jackdaw_wait_seconds_bucket{route="/",status="404",le="0.1"} 1',
    'jackdaw_wait_seconds_bucket{route="/",status="404",le="1"} 1',
    'jackdaw_wait_seconds_bucket{route="/",status="404",le="+Inf"} 1',
    'jackdaw_wait_seconds_sum{route="/",status="404"} 0',
    'jackdaw_wait_seconds_count{route="/",status="404"} 1',
  ])
  assert.match(await metrics.text(), '# TYPE jackdaw_wait_seconds histogram')
})

test('a histogram refuses labels it has not, buckets that do not ascend, and series without end', () => {
  const metrics = new Metrics('1.2.3')
  const histogram = metrics.histogram('jackdaw_a_seconds', 'A.', ['route'], [1])
  assert.throws(() => histogram.observe(1), /has 1 labels/)
  assert.throws(() => histogram.observe(1, 'a', 'b'), /has 1 labels/)
  assert.throws(() => metrics.histogram('jackdaw_b_seconds', 'B.', [], [1, 1]), /do not ascend/)
  assert.throws(() => {
    for (let i = 0; i < 2000; i++) histogram.observe(1, `key-${i}`)
  }, /more than 1000 series/)
})

test('names that are not ours are refused, and so is one that is taken', () => {
  const metrics = new Metrics('1.2.3')
  const zero = (): number => 0
  assert.throws(() => metrics.gauge('things', 'Things.', zero), /not named jackdaw_/)
  assert.throws(() => metrics.counter('jackdaw_things', 'Things.', zero), /does not end with _total/)
  metrics.gauge('jackdaw_things', 'Things.', zero)
  assert.throws(() => metrics.gauge('jackdaw_things', 'Things.', zero), /already been registered/)
})

test('the build is told, and everything of the process carries the prefix', async () => {
  const metrics = new Metrics('1.2.3')
  metrics.observeProcess()
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  assert.ok(lines.includes(`jackdaw_build_info{version="1.2.3",node_version="${process.version}"} 1`))
  assert.ok(lines.some((line) => line.startsWith('jackdaw_process_cpu_seconds_total ')))
  assert.ok(lines.some((line) => line.startsWith('jackdaw_nodejs_eventloop_lag_seconds ')))
  for (const line of lines) assert.ok(line.startsWith('jackdaw_'), line)
})

test('two instances do not share what they count', async () => {
  const one = new Metrics('1')
  const two = new Metrics('2')
  one.gauge('jackdaw_a', 'A.', () => 1)
  two.gauge('jackdaw_a', 'A.', () => 2)
  assert.equal(await linesOf(one, 'jackdaw_a'), ['jackdaw_a 1'])
})

test.run()
