/**
 * Documents: `/openapi.json`, and `/docs`, a page that shows it and calls the routes.
 *
 * The page is Swagger UI, whose files are read from disk when somebody asks for them: until then they cost nothing. It loads nothing from elsewhere,
 * and its content security policy says so; styles in elements are allowed because it sets them.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { assetPath } from '../../lib/asset-path.ts'
import { CacheError } from '../../lib/errors.ts'
import type { Exchange } from './exchange.ts'
import { HTML_TYPE, JSON_TYPE } from './media-type.ts'
import { openApiText } from './openapi.ts'
import type { Parameter } from './parameter.ts'
import { pathOf, prefixOf } from './request-target.ts'
import type { Route } from './route.ts'

/** Where Swagger UI's files are: beside the bundle, or in the package that brings them. */
const ASSET_FOLDERS = ['swagger-ui', 'node_modules/@fastify/swagger-ui/static'] as const

const SCRIPT_TYPE = 'text/javascript; charset=utf-8'
const ASSETS: ReadonlyMap<string, string> = new Map([
  ['swagger-ui-bundle.js', SCRIPT_TYPE],
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['favicon-32x32.png', 'image/png'],
])
const START_FILE = 'start.js'
const FILES = [START_FILE, ...ASSETS.keys()]

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
/** The files change with the version of the server only. */
const KEEP_FOR = 'public, max-age=3600'

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Jackdaw: every route</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<noscript>This page needs JavaScript; <a href="/openapi.json">the document</a> does not.</noscript>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`

/** `validatorUrl` would send the document to a service on the net. */
const START = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#swagger-ui',
  presets: [SwaggerUIBundle.presets.apis],
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  validatorUrl: null,
})
`

const FILE: Parameter<never> = {
  name: 'file',
  in: 'path',
  description: 'One of the files that the page loads.',
  schema: { type: 'string', enum: FILES },
  example: START_FILE,
  error: 'ROUTE_NOT_FOUND',
  parse: () => {
    throw new TypeError('the file is read from the path')
  },
}

/** `routes` are all the others; the document has these as well. */
export function docsRoutes(routes: readonly Route[], version: string): Route[] {
  const folder = assetFolder()
  let document = ''
  const page = { type: 'text/html', schema: { type: 'string' }, example: '<!doctype html>...' }
  const own: Route[] = [
    {
      method: 'GET',
      path: '/openapi.json',
      operationId: 'openApi',
      tag: 'documents',
      summary: 'This document',
      parameters: [],
      answers: [
        {
          status: 200,
          description: 'OpenAPI 3.1.',
          contents: [{ type: 'application/json', schema: { type: 'object' }, example: { openapi: '3.1.0' } }],
        },
      ],
      errors: [],
      handle: (exchange) => exchange.send(200, JSON_TYPE, document),
    },
    {
      method: 'GET',
      path: '/docs',
      operationId: 'docs',
      tag: 'documents',
      summary: 'A page that shows this document and calls the routes',
      parameters: [],
      answers: [{ status: 200, description: 'The page.', contents: [page] }],
      errors: [],
      handle: (exchange) => exchange.header('content-security-policy', POLICY).send(200, HTML_TYPE, PAGE),
    },
    {
      method: 'GET',
      path: '/docs/{file}',
      operationId: 'docsFile',
      tag: 'documents',
      summary: 'A file of the page',
      parameters: [FILE],
      answers: [
        { status: 200, description: 'The file.', contents: [{ type: 'text/javascript', schema: { type: 'string' }, example: START }] },
        { status: 308, description: 'No file is named: to `/docs`.', contents: [], headers: { Location: '`/docs`.' } },
      ],
      errors: ['INTERNAL'],
      handle: (exchange) => sendFile(exchange, folder),
    },
  ]
  document = openApiText([...routes, ...own], version)
  return own
}

function sendFile(exchange: Exchange, folder: string): void {
  const name = pathOf(exchange.target).slice(prefixOf(exchange.route).length)
  const type = ASSETS.get(name)
  if (name === '') {
    exchange.header('location', '/docs').sendNothing(308)
    return
  }
  exchange.header('x-content-type-options', 'nosniff')
  if (name === START_FILE) {
    exchange.header('cache-control', KEEP_FOR).send(200, SCRIPT_TYPE, START)
  } else if (type === undefined) {
    throw new CacheError('ROUTE_NOT_FOUND', `the page has ${FILES.join(', ')}`)
  } else {
    readFile(join(folder, name)).then(
      (bytes) => exchange.header('cache-control', KEEP_FOR).send(200, type, bytes),
      (cause: unknown) => exchange.fail(cause),
    )
  }
}

function assetFolder(): string {
  const [beside, installed] = ASSET_FOLDERS
  try {
    return assetPath(beside)
  } catch {
    return assetPath(installed)
  }
}
