/**
 * `npm run configs`: k3d-config.yaml and skaffold.yaml against the schemas that k3d and Skaffold publish in their Go modules. Needs `go` and `helm` on the PATH, and
 * the first time some 45 MB of modules, so `npm run check` leaves it to `.ci/run`.
 *
 * Helm does the judging, as it checks the values of a chart by a schema: each schema becomes that of an empty chart, and the file its values.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { goModule } from './go-module.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The version of a schema is that of the file's `apiVersion`. */
const CONFIGS = [
  { file: 'k3d-config.yaml', module: 'github.com/k3d-io/k3d/v5@v5.8.3', schema: 'pkg/config/v1alpha5/schema.json' },
  {
    file: 'skaffold.yaml',
    module: 'github.com/GoogleContainerTools/skaffold/v2@v2.16.1',
    schema: 'docs-v2/content/en/schemas/v4beta13.json',
  },
] as const

for (const { file, module, schema } of CONFIGS) {
  const refusal = judge(`${root}/${file}`, `${goModule(module)}/${schema}`)
  if (refusal === null) continue
  console.error(`${file} is not what ${module} takes:\n${refusal}`)
  process.exitCode = 1
}

/** What Helm says against the file; `null` when it is content. */
function judge(file: string, schema: string): string | null {
  const chart = mkdtempSync(`${tmpdir()}/jackdaw-config-`)
  try {
    mkdirSync(`${chart}/templates`)
    writeFileSync(`${chart}/Chart.yaml`, 'apiVersion: v2\nname: config\nversion: 0.0.0\n')
    copyFileSync(schema, `${chart}/values.schema.json`)
    const { error, status, stderr } = spawnSync('helm', ['template', 'config', chart, '--values', file], { encoding: 'utf8' })
    if (error !== undefined) throw new Error('helm is not on the PATH', { cause: error })
    return status === 0 ? null : stderr
  } finally {
    rmSync(chart, { recursive: true })
  }
}
