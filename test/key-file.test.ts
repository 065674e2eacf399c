/** Keys from a file: what a line may be, and that no message repeats one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readKeyFile } from '../src/key-file.ts'

const test = suite('key file')

const A = Buffer.alloc(32, 1)
const B = Buffer.alloc(16, 2)
const folder = mkdtempSync(join(tmpdir(), 'jackdaw-keys-'))
const file = join(folder, 'keys')

async function outcome(text: string): Promise<readonly Buffer[] | string> {
  writeFileSync(file, text)
  return readKeyFile(file).then(
    (keys) => keys.bytes(),
    (error: Error) => error.message,
  )
}

test('a line is a key, a blank one nothing, and one that begins with # a remark', async () => {
  assert.equal(await outcome(`# first\n${A.toString('base64')}\r\n\n  ${B.toString('base64')}  \n`), [A, B])
  assert.equal(await outcome(A.toString('base64')), [A])
})

test('a file without a key, one that is too large and one that says something else are refused without a quotation', async () => {
  assert.is(await outcome('\n# nothing\n'), 'there are 0 keys, but must be 1 to 8')
  assert.is(await outcome('x'.repeat(16 * 1024 + 1)), 'the file is over 16384 bytes')
  assert.is(await outcome('hunter2\n'), 'key 1 is not base64')
})

test('a file that is not there is told by its path', async () => {
  const reason = await readKeyFile(join(folder, 'none')).catch((error: Error) => error.message)
  assert.match(String(reason), /ENOENT/)
})

test.after(() => rmSync(folder, { recursive: true }))

test.run()
