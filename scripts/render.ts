/**
 * `npm run render`: deploy.yaml is what `helm template jackdaw charts/jackdaw` says, so the two never part. `--check` writes nothing and fails if
 * deploy.yaml is another text, the chart or one of its installs (charts/jackdaw/ci) fails its lint or cannot be rendered for a version of Kubernetes that it allows, or a unit test of a template fails; without helm on the PATH it
 * says so and succeeds, because only people who change the chart need helm. Helm 3 and 4 write the same.
 */
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const target = `${root}/deploy.yaml`

const HEADER = `# Made from charts/jackdaw by \`npm run render\`; change the chart, not this file.
# It names no namespace: \`kubectl apply -n NAMESPACE -f deploy.yaml\` puts it where you like.
# For Kubernetes 1.30 and later, which know preStop.sleep. For 1.27 to 1.29 the chart leaves that out:
# \`helm template jackdaw charts/jackdaw --skip-tests --kube-version 1.29.0\`.
`
/** What the chart is rendered for: a version without one of its conditions would say less. */
const KUBERNETES_VERSION = '1.36.0'
/** What it is rendered for besides: the earliest that Chart.yaml allows, and the first with the pause before SIGTERM. */
const CHECKED_VERSIONS = ['1.27.0', '1.30.0', KUBERNETES_VERSION]

function render(): string | null {
  // Without the pods of `helm test`, which an apply would start.
  const helm = spawnSync('helm', ['template', 'jackdaw', 'charts/jackdaw', '--skip-tests', '--kube-version', KUBERNETES_VERSION], {
    cwd: root,
    encoding: 'utf8',
  })
  if (helm.error !== undefined) return null
  if (helm.status !== 0) throw new Error(helm.stderr)
  // Helm 4 leaves an empty line before each separator, Helm 3 does not.
  return HEADER + helm.stdout.replaceAll('\n\n---', '\n---').trimEnd().concat('\n')
}

/**
 * The chart's own lint, with the values of each install; each of them rendered for the earliest Kubernetes, the first that differs and the latest; and its
 * unit tests (charts/jackdaw/tests), where helm-unittest is on the PATH.
 */
function checkChart(): void {
  const installs = globSync('charts/jackdaw/ci/*-values.yaml', { cwd: root })
  const lints = installs.map((file) => ['helm', 'lint', '--strict', 'charts/jackdaw', '--values', file])
  const renders = installs.flatMap((file) =>
    CHECKED_VERSIONS.map((version) => ['helm', 'template', 'jackdaw', 'charts/jackdaw', '--kube-version', version, '--values', file]),
  )
  for (const [command = '', ...args] of [...lints, ...renders, ['helm-unittest', '--strict', 'charts/jackdaw']]) {
    const result = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
    if (result.error !== undefined) console.log(`${command} is not on the PATH: left out`)
    else if (result.status !== 0) throw new Error(result.stdout + result.stderr)
  }
}

const rendered = render()
if (process.argv[2] !== '--check') {
  if (rendered === null) throw new Error('helm is not on the PATH')
  writeFileSync(target, rendered)
} else if (rendered === null) {
  console.log('helm is not on the PATH: the chart and deploy.yaml are not checked')
} else {
  checkChart()
  if (rendered !== readFileSync(target, 'utf8')) {
    console.error('deploy.yaml is not what the chart renders: npm run render')
    process.exitCode = 1
  }
}
