import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseRedisBenchmark, parseWrk } from '../../bench/load.ts'

const test = suite('bench/load')

const CSV = `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"SET","743123.45","0.980","0.240","0.951","1.471","1.823","4.311"
"GET","804289.56","0.904","0.232","0.871","1.399","1.751","3.967"
`

test('a row of redis-benchmark is read by the names above it', () => {
  assert.equal(parseRedisBenchmark(CSV, 'SET'), { perSecond: 743123.45, p99Ms: 1.823 })
  assert.equal(parseRedisBenchmark(CSV, 'GET'), { perSecond: 804289.56, p99Ms: 1.751 })
})

test('warnings before the names of redis-benchmark are passed over', () => {
  assert.equal(parseRedisBenchmark(`WARNING: Could not fetch server CONFIG\n${CSV}`, 'SET').perSecond, 743123.45)
})

test('a figure that redis-benchmark did not print is an error', () => {
  assert.throws(() => parseRedisBenchmark(CSV, 'INCR'), /did not answer as expected/)
  assert.throws(() => parseRedisBenchmark('', 'SET'), /did not answer as expected/)
  assert.throws(() => parseRedisBenchmark('"test","rps","p99_latency_ms"\n"SET","inf"\n', 'SET'), /did not answer as expected/)
})

const wrkText = (p99: string, trouble = ''): string => `Running 5s test @ http://127.0.0.1:8080/
  1 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   431.22us   93.70us   3.42ms   91.77%
    Req/Sec   118.82k     2.53k  121.31k    90.00%
  Latency Distribution
     50%  415.00us
     75%  448.00us
     90%  502.00us
     99%  ${p99}
  594112 requests in 5.00s, 139.95MB read
${trouble}Requests/sec: 118817.96
Transfer/sec:     27.99MB
`

test('the summary of wrk is read', () => {
  assert.equal(parseWrk(wrkText('781.00us')), { requests: 594112, perSecond: 118817.96, p99Ms: 0.781 })
})

test('latencies of wrk are milliseconds in whichever unit it prints them', () => {
  assert.is(parseWrk(wrkText('  1.25ms')).p99Ms, 1.25)
  assert.is(parseWrk(wrkText('  1.50s')).p99Ms, 1500)
  assert.is(parseWrk(wrkText('  2.00m')).p99Ms, 120_000)
})

test('a run of wrk with refusals or broken connections is an error that says so', () => {
  assert.throws(() => parseWrk(wrkText('1.25ms', '  Non-2xx or 3xx responses: 12\n')), /Non-2xx or 3xx responses: 12/)
  const broken = '  Socket errors: connect 0, read 3, write 0, timeout 0\n'
  assert.throws(() => parseWrk(wrkText('1.25ms', broken)), /read 3/)
})

test('a run of wrk without a request is an error', () => {
  assert.throws(() => parseWrk(wrkText('0.00us').replace('594112 requests', '0 requests')), /did not answer as expected/)
  assert.throws(() => parseWrk('unable to connect'), /did not answer as expected/)
})

test.run()
