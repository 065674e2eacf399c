/**
 * The published definitions of the kinds that the chart can make and a plain Kubernetes lacks, as paths of files, one a line: routes of the Gateway API, and
 * monitors and rules of the Prometheus Operator. They come by the Go module proxy, as both projects publish them in their modules: needs `go` on the PATH.
 * With them in a cluster its API server judges what the chart renders:
 *
 *     node scripts/crds.ts | xargs -n1 kubectl apply --server-side --filename
 *     helm template jackdaw charts/jackdaw --values charts/jackdaw/ci/monitored-values.yaml | kubectl apply --dry-run=server --validate=strict --filename -
 */
import { existsSync } from 'node:fs'
import { goModule } from './go-module.ts'

interface Source {
  readonly module: string
  /** Under the folder of the module. */
  readonly files: readonly string[]
}

const SOURCES: readonly Source[] = [
  {
    module: 'sigs.k8s.io/gateway-api@v1.6.3',
    files: ['httproutes', 'grpcroutes'].map((kind) => `config/crd/standard/gateway.networking.k8s.io_${kind}.yaml`),
  },
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    files: ['servicemonitors', 'podmonitors', 'prometheusrules'].map(
      (kind) => `example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`,
    ),
  },
]

for (const { module, files } of SOURCES) {
  const folder = goModule(module)
  for (const file of files) {
    const path = `${folder}/${file}`
    if (!existsSync(path)) throw new Error(`${module} has no ${file}`)
    console.log(path)
  }
}
