/** What Node is told is the same however a server is started. */
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NODE_FLAGS } from '../../scripts/node-flags.ts'

const test = suite('flags of Node')
const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

test('npm start and the image have the flags that everything else starts servers with', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const options = /NODE_OPTIONS="(.*)"/.exec(read('Dockerfile'))?.[1]?.split(' ') ?? []
  for (const flag of NODE_FLAGS) {
    assert.ok(scripts['start']?.split(' ').includes(flag), `npm start has no ${flag}`)
    assert.ok(options.includes(flag), `the image has no ${flag}`)
  }
})

test.run()
