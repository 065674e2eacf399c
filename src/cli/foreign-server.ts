/** The command line also works with a Redis server, which does not have the commands that are this project's own. */
import { type JackdawClient, ServerError, type StoredEntry } from '../client/index.ts'

export function isUnknownCommand(error: unknown): boolean {
  return error instanceof ServerError && error.message.includes('unknown command')
}

/** A Redis server, which knows strings only, is asked in its own words. */
export async function lookUp(client: JackdawClient, key: Buffer): Promise<StoredEntry | null> {
  try {
    return await client.getEntry(key)
  } catch (error) {
    if (!isUnknownCommand(error)) throw error
    const [value, ttlMs] = await Promise.all([client.get(key), client.ttl(key)])
    return value === null || ttlMs === null ? null : { value, json: false, ttlMs }
  }
}
