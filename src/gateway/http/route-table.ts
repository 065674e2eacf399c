/**
 * Route table: all routes by path.
 */
import type { Cache } from '../../cache/cache.ts'
import { clusterRoutes } from './cluster-routes.ts'
import { docsRoutes } from './docs-routes.ts'
import { keysRoutes } from './keys-routes.ts'
import { pairsRoutes } from './pairs-routes.ts'
import { probeRoutes } from './probe-routes.ts'
import { allowOf, type Method, type Route, type RouteParts } from './route.ts'
import { textRoutes } from './text-routes.ts'

/** The methods that fastify knows by itself. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'] as const

export interface RoutePath {
  readonly path: string
  readonly methods: ReadonlyMap<Method, Route>
  /** Of fastify's methods, those that the path does not have. */
  readonly others: string[]
}

export class RouteTable {
  readonly paths: readonly RoutePath[]

  constructor(parts: RouteParts, version: string) {
    const documented = [...pairsRoutes(parts), ...textRoutes(parts), ...keysRoutes(parts), ...probeRoutes(parts), ...clusterRoutes(parts)]
    this.paths = byPath([...documented, ...docsRoutes(documented, version)])
  }

  /** The value of `Allow` for a path as it was sent; `null` where there is nothing. A longer prefix is more exact than a shorter one. */
  allowAt(path: string): string | null {
    if (path === '*') return METHODS.filter((method) => method !== 'PATCH' && method !== 'TRACE').join(', ')
    let best: RoutePath | null = null
    for (const candidate of this.paths) {
      if (candidate.path === path) return allowOf(candidate.methods.keys())
      if (isUnder(candidate.path, path) && (best === null || candidate.path.length > best.path.length)) best = candidate
    }
    return best === null ? null : allowOf(best.methods.keys())
  }
}

/** For documentation: the handlers of these have no cache, and are not to be called. */
export function routeTable(): readonly RoutePath[] {
  const cache = { limits: { maxKeyBytes: 1024, maxValueBytes: 2 ** 20 } } as Cache
  return new RouteTable({ cache, ready: () => ({ ok: true, reason: '' }), outputBufferLimitBytes: 0 }, '').paths
}

/** Whether a path is one of those that end in a parameter. */
function isUnder(documented: string, path: string): boolean {
  const at = documented.indexOf('{')
  if (at === -1 || !path.startsWith(documented.slice(0, at))) return false
  return documented.endsWith('{key}') || !path.slice(at).includes('/')
}

function byPath(routes: readonly Route[]): RoutePath[] {
  const paths = new Map<string, Map<Method, Route>>()
  for (const route of routes) {
    const methods = paths.get(route.path) ?? new Map<Method, Route>()
    paths.set(route.path, methods.set(route.method, route))
  }
  return [...paths].map(([path, methods]) => ({ path, methods, others: METHODS.filter((method) => !has(methods, method)) }))
}

function has(methods: ReadonlyMap<Method, Route>, method: string): boolean {
  return methods.has(method as Method) || (method === 'HEAD' && methods.has('GET'))
}
