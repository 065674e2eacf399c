/** Export and import also work with a Redis server, which does not have the commands that are this project's own. */
import { ServerError } from '../client/index.ts'

export function isUnknownCommand(error: unknown): boolean {
  return error instanceof ServerError && error.message.includes('unknown command')
}
