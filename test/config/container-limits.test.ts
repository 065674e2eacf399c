import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readCpuLimit, readMemoryLimit } from '../../src/config/container-limits.ts'

const test = suite('container limits')
const V2 = '/sys/fs/cgroup/memory.max'
const V1 = '/sys/fs/cgroup/memory/memory.limit_in_bytes'
const CPU_V2 = '/sys/fs/cgroup/cpu.max'
const CPU_V1 = '/sys/fs/cgroup/cpu/cpu.cfs_'

function limit(files: Record<string, string>): number | null {
  return readMemoryLimit((path) => files[path] ?? null)
}

function cpuLimit(files: Record<string, string>): number | null {
  return readCpuLimit((path) => files[path] ?? null)
}

test('the limit is read from whichever version of control groups there is', () => {
  assert.is(limit({ [V2]: '536870912\n' }), 536_870_912)
  assert.is(limit({ [V1]: '536870912\n' }), 536_870_912)
  assert.is(limit({ [V2]: '1048576\n', [V1]: '2097152\n' }), 1_048_576)
  assert.is(cpuLimit({ [CPU_V2]: '50000 100000\n' }), 0.5)
  assert.is(cpuLimit({ [`${CPU_V1}quota_us`]: '250000\n', [`${CPU_V1}period_us`]: '100000\n' }), 2.5)
})

test('no limit is null, in the words of either version', () => {
  assert.is(limit({ [V2]: 'max\n' }), null)
  assert.is(limit({ [V1]: '9223372036854771712\n' }), null)
  assert.is(limit({}), null)
  assert.is(cpuLimit({ [CPU_V2]: 'max 100000\n' }), null)
  assert.is(cpuLimit({ [`${CPU_V1}quota_us`]: '-1\n', [`${CPU_V1}period_us`]: '100000\n' }), null)
  assert.is(cpuLimit({}), null)
})

test('what is no limit is taken for none', () => {
  for (const text of ['', '0', '-1', 'x', '1e9', '1 2']) assert.is(limit({ [V2]: text }), null, text)
  for (const text of ['', '0 100000', '100000', '100000 0', 'x y']) assert.is(cpuLimit({ [CPU_V2]: text }), null, text)
})

test('a process in a group below the root has the smallest limit on the way to it, in either version', () => {
  const groups = '/proc/self/cgroup'
  const v2 = '/sys/fs/cgroup/system.slice'
  const service = `${v2}/jackdaw.service`
  assert.is(limit({ [groups]: '0::/system.slice/jackdaw.service\n', [`${service}/memory.max`]: '536870912\n' }), 536_870_912)
  assert.is(
    limit({ [groups]: '0::/system.slice/jackdaw.service\n', [`${v2}/memory.max`]: '1048576\n', [`${service}/memory.max`]: '2097152\n' }),
    1_048_576,
  )
  assert.is(
    limit({ [groups]: '0::/system.slice/jackdaw.service\n', [`${v2}/memory.max`]: 'max\n', [`${service}/memory.max`]: 'max\n' }),
    null,
  )
  assert.is(cpuLimit({ [groups]: '0::/system.slice/jackdaw.service\n', [`${service}/cpu.max`]: '50000 100000\n' }), 0.5)
  const v1 = '5:cpu,cpuacct:/a\n4:memory:/a/b:c\n1:name=systemd:/x\n'
  assert.is(
    limit({ [groups]: v1, [V1]: '9223372036854771712\n', '/sys/fs/cgroup/memory/a/b:c/memory.limit_in_bytes': '1048576\n' }),
    1_048_576,
  )
  assert.is(
    cpuLimit({ [groups]: v1, '/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us': '50000\n', '/sys/fs/cgroup/cpu/a/cpu.cfs_period_us': '100000\n' }),
    0.5,
  )
})

test('a group that is not mounted here leaves the root to speak', () => {
  for (const path of ['/kubepods/pod1/2', '/../../x'])
    assert.is(limit({ '/proc/self/cgroup': `0::${path}\n`, [V2]: '1048576\n' }), 1_048_576)
})

test.run()
