/**
 * `npm run bundle`: the server as two files, `dist/main.js` and the thread it starts, the command line as `dist/jackdaw-cli.js`, and beside them what the server reads at start
 * (src/lib/asset-path.ts finds it there), so that the image needs no `node_modules`. Not minified and without a source map: its stack traces are readable as they are, and a map would cost memory.
 */
import { chmodSync, cpSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = `${root}/dist`

/**
 * Packages written as CommonJS call `require` for Node's own modules, and look for files from `__dirname` on, neither of which an ES module has.
 * They are told that they lie two folders below the bundle: @grpc/reflection reads `../../proto/grpc`.
 */
const REQUIRE = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`
const PACKAGE_FOLDER = `const packageFolder = import.meta.dirname + '/package/build';`

/** `jackdaw start` loads the server that lies beside the command line, rather than carry a second one. */
const serverBeside: Plugin = {
  name: 'server-beside',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.\/main\.ts$/ }, () => ({ path: './main.js', external: true }))
  },
}

rmSync(dist, { recursive: true, force: true })
const { warnings } = await build({
  // The thread of membership is a program of its own: src/membership-thread.ts starts the file beside it.
  entryPoints: {
    main: `${root}/src/main.ts`,
    'membership-worker': `${root}/src/membership-worker.ts`,
    'jackdaw-cli': `${root}/src/cli/main.ts`,
  },
  outdir: dist,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node26',
  banner: { js: `${REQUIRE} ${PACKAGE_FOLDER}` },
  define: { __dirname: 'packageFolder' },
  plugins: [serverBeside],
  logLevel: 'info',
})
chmodSync(`${dist}/jackdaw-cli.js`, 0o755)
cpSync(`${root}/proto`, `${dist}/proto`, { recursive: true })
cpSync(`${root}/node_modules/@grpc/reflection/build/proto/grpc`, `${dist}/proto/grpc`, { recursive: true })
const swaggerUi = `${root}/node_modules/@fastify/swagger-ui/static`
for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css', 'favicon-32x32.png'])
  cpSync(`${swaggerUi}/${name}`, `${dist}/swagger-ui/${name}`)
if (warnings.length > 0) process.exitCode = 1
