/**
 * The commands of the pages, as far as their text tells whether a block can be pasted whole: a shell does not wait where a reader would.
 */
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('the commands of the pages')

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Every block of shell commands, with the page it is on. */
const blocks = ['README.md', 'CONTRIBUTING.md', 'charts/*/README.md', 'docs/**/*.md']
  .flatMap((pattern) => globSync(pattern, { cwd: root }))
  .flatMap((page) =>
    [...readFileSync(root + page, 'utf8').matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, commands = '']) => ({ page, commands })),
  )

function holds(what: string, rule: (commands: string) => boolean): void {
  test(what, () => {
    assert.ok(blocks.length > 20)
    assert.equal(
      blocks.filter(({ commands }) => !rule(commands)),
      [],
    )
  })
}

holds('no command keeps the defaults of an older chart', (commands) => !/ --reuse-values\b/.test(commands))

holds('between two upgrades of one block the first is waited for', (commands) => {
  const untilTheLast = commands.split(/^helm upgrade/m).slice(1, -1)
  return untilTheLast.every((part) => /--wait\b|rollout status/.test(part))
})

holds('a block installs by the manifest or by the chart, not by both', (commands) => {
  const ways = [/kubectl apply .*deploy\.yaml/, /helm install/].filter((way) => way.test(commands))
  return ways.length < 2
})

holds('what is installed into a namespace of its own finds it there', (commands) => {
  const applied = /kubectl apply -n caches/.test(commands)
  const installed = /helm install.* -n caches/.exec(commands)
  if (applied && !/kubectl create namespace caches\n[\s\S]*kubectl apply/.test(commands)) return false
  return installed === null || /helm install.*--create-namespace/.test(commands)
})

holds('nothing is asked of a tunnel that is only being dug', (commands) => !/port-forward.* & *\S/.test(commands))

test('what Helm says after an install digs its tunnel in a terminal of its own, at ports that no cluster of this machine has', () => {
  const notes = readFileSync(`${root}charts/jackdaw/templates/NOTES.txt`, 'utf8')
  const tunnel = /port-forward .*/.exec(notes)?.[0] ?? ''
  assert.match(tunnel, / \d+:/)
  assert.not.match(tunnel, /&/)
  assert.not.match(tunnel, / (?:8080|6379):/)
})

test.run()
