/** A module of the Go module proxy as a folder: some projects publish in theirs what is of use without Go, too. Needs `go` on the PATH. */
import { spawnSync } from 'node:child_process'

/** `module` is `path@version`. Throws when there is no `go`, or no such module. */
export function goModule(module: string): string {
  const { error, status, stdout, stderr } = spawnSync('go', ['mod', 'download', '-json', module], { encoding: 'utf8' })
  if (error !== undefined) throw new Error('go is not on the PATH', { cause: error })
  const answer: { readonly Dir?: string; readonly Error?: string } = stdout === '' ? {} : JSON.parse(stdout)
  if (status !== 0 || answer.Dir === undefined) throw new Error(`${module}: ${answer.Error ?? stderr}`)
  return answer.Dir
}
