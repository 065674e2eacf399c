import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assetPath } from '../../src/lib/asset-path.ts'

const test = suite('asset path')
let root = ''

test.before.each(() => {
  root = mkdtempSync(join(tmpdir(), 'jackdaw-asset-'))
  mkdirSync(join(root, 'src/lib/proto'), { recursive: true })
  mkdirSync(join(root, 'proto'))
})

test.after.each(() => {
  rmSync(root, { recursive: true })
})

const runningFile = () => pathToFileURL(join(root, 'src/lib/asset-path.ts')).href

test('the sources find an asset at the root of the project', () => {
  writeFileSync(join(root, 'proto/a.proto'), '')
  assert.is(assetPath('proto/a.proto', runningFile()), join(root, 'proto/a.proto'))
})

test('a bundle finds an asset beside itself, and takes it before any other', () => {
  writeFileSync(join(root, 'proto/a.proto'), '')
  writeFileSync(join(root, 'src/lib/proto/a.proto'), '')
  assert.is(assetPath('proto/a.proto', runningFile()), join(root, 'src/lib/proto/a.proto'))
})

test('an asset that is in neither place is an error that names it', () => {
  assert.throws(() => assetPath('proto/a.proto', runningFile()), /proto\/a\.proto is neither beside/)
})

test('the peer protocol is found from where this project stands', () => {
  assert.match(assetPath('proto/peer.proto'), /proto\/peer\.proto$/)
})

test.run()
