/**
 * Where files that travel beside the code are found: in development at the root of the project, two folders above `src/lib/`; in the image beside
 * the bundle, which is one file. Asked at start only: it looks at the disk, and blocks while it does.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const PLACES = ['./', '../../']

/**
 * The absolute path of `name`, such as `proto/peer.proto`: beside `base`, the running file unless a test says otherwise, or two folders up.
 * Throws if it is in neither place.
 */
export function assetPath(name: string, base: string = import.meta.url): string {
  for (const place of PLACES) {
    const path = fileURLToPath(new URL(place + name, base))
    if (existsSync(path)) return path
  }
  throw new Error(`${name} is neither beside ${fileURLToPath(base)} nor two folders above: the installation is not complete`)
}
