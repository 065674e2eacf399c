/**
 * `npm run bundle`: the server as two files, `dist/main.js` and the thread it starts, and beside them what it reads at start (src/lib/asset-path.ts finds it there), so that
 * the image needs no `node_modules`. Not minified and without a source map: its stack traces are readable as they are, and a map would cost memory.
 */
import { cpSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = `${root}/dist`

/**
 * Packages written as CommonJS call `require` for Node's own modules, and look for files from `__dirname` on, neither of which an ES module has.
 * They are told that they lie two folders below the bundle: @grpc/reflection reads `../../proto/grpc`.
 */
const REQUIRE = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`
const PACKAGE_FOLDER = `const packageFolder = import.meta.dirname + '/package/build';`

rmSync(dist, { recursive: true, force: true })
const { warnings } = await build({
  // The thread of membership is a program of its own: src/membership-thread.ts starts the file beside it.
  entryPoints: [`${root}/src/main.ts`, `${root}/src/membership-worker.ts`],
  outdir: dist,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node26',
  banner: { js: `${REQUIRE} ${PACKAGE_FOLDER}` },
  define: { __dirname: 'packageFolder' },
  logLevel: 'info',
})
cpSync(`${root}/proto`, `${dist}/proto`, { recursive: true })
cpSync(`${root}/node_modules/@grpc/reflection/build/proto/grpc`, `${dist}/proto/grpc`, { recursive: true })
const swaggerUi = `${root}/node_modules/@fastify/swagger-ui/static`
for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css', 'favicon-32x32.png'])
  cpSync(`${swaggerUi}/${name}`, `${dist}/swagger-ui/${name}`)
if (warnings.length > 0) process.exitCode = 1
