/**
 * The servers that are measured: Jackdaw as `npm start` runs it, and its rivals, each with what it needs to keep entries in memory alone.
 */
import { writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { NODE_FLAGS } from '../scripts/node-flags.ts'
import { freePorts } from '../test/support/free-ports.ts'
import { runProgram } from './children.ts'
import { HOST, programPath } from './machine.ts'
import { ServerProcess, type Subject } from './server-process.ts'
import { temporaryFolder } from './temporary-folder.ts'

const MAIN = new URL('../src/main.ts', import.meta.url).pathname
const GO_SOURCE = new URL('rivals/go-http', import.meta.url).pathname
const GO_BUILD_MS = 300_000
/** Above what any figure stores, so that nobody evicts. */
const MAX_MEMORY_MIB = 4096

/** Measured at one of its faces; the others listen too, and metrics are counted. */
export function jackdaw(face: 'resp' | 'http'): Subject {
  return {
    name: 'Jackdaw',
    async start() {
      const [http, resp, admin] = (await freePorts(3)) as [number, number, number]
      const flags = {
        name: 'jackdaw-0',
        host: HOST,
        'advertise-host': HOST,
        'http-port': http,
        'resp-port': resp,
        'admin-port': admin,
        'cluster-port': 0,
        'text-port': 0,
        'grpc-port': 0,
        'gossip-port': 0,
        'peer-port': 0,
        'max-memory-bytes': `${MAX_MEMORY_MIB}MiB`,
        'log-level': 'error',
      }
      return ServerProcess.start({
        name: 'Jackdaw',
        command: process.execPath,
        args: [...NODE_FLAGS, MAIN, ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)],
        port: face === 'resp' ? resp : http,
        ready: () => answersOk(`http://${HOST}:${admin}/readyz`),
      })
    },
  }
}

export function redisServer(): Subject {
  return {
    name: 'redis-server',
    async start() {
      const [port] = (await freePorts(1)) as [number]
      return ServerProcess.start({
        name: 'redis-server',
        command: programPath('redis-server'),
        args: ['--port', String(port), '--bind', HOST, '--save', '', '--appendonly', 'no'],
        port,
      })
    },
  }
}

export function memcached(): Subject {
  return {
    name: 'memcached',
    async start() {
      const [port] = (await freePorts(1)) as [number]
      return ServerProcess.start({
        name: 'memcached',
        command: programPath('memcached'),
        // -M: a full memory is an error. -u: only root is asked for it, and this is who would have been it anyway.
        args: ['-l', HOST, '-p', String(port), '-U', '0', '-m', String(MAX_MEMORY_MIB), '-M', '-u', userInfo().username],
        port,
      })
    },
  }
}

/** Holds nothing: whatever it is asked, it answers `body`. What HTTP costs where nothing is looked up. */
export function nginx(body: string): Subject {
  return {
    name: 'nginx',
    async start() {
      const [port] = (await freePorts(1)) as [number]
      const folder = temporaryFolder('nginx')
      writeFileSync(join(folder, 'nginx.conf'), nginxConfiguration(port, body))
      return ServerProcess.start({
        name: 'nginx',
        command: programPath('nginx'),
        args: ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'],
        port,
      })
    },
  }
}

/** One process, no logs, and connections that stay. All it writes goes below its own folder. */
function nginxConfiguration(port: number, body: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${name};`)
  return `daemon off;
master_process off;
pid nginx.pid;
events { worker_connections 1024; }
http {
${temporary.join('\n')}
  access_log off;
  keepalive_requests 1000000000;
  server {
    listen ${HOST}:${port};
    location / {
      default_type 'application/json; charset=utf-8';
      return 200 '${body}';
    }
  }
}
`
}

/** A map behind a lock, as anybody would write it with net/http. Built away from its sources. */
export async function goServer(): Promise<Subject> {
  const program = join(temporaryFolder('go'), 'go-http')
  await runProgram(programPath('go'), ['build', '-o', program, '.'], GO_BUILD_MS, {
    cwd: GO_SOURCE,
    // What is installed here builds it, and nothing is fetched.
    env: { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '', GOWORK: 'off' },
  })
  return {
    name: 'Go net/http',
    async start() {
      const [port] = (await freePorts(1)) as [number]
      return ServerProcess.start({ name: 'Go net/http', command: program, args: [`${HOST}:${port}`], port })
    },
  }
}

async function answersOk(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok
  } catch {
    return false
  }
}
