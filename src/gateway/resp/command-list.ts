/**
 * Every command of the face, in the order in which COMMAND and the documentation list them.
 */
import type { CommandRow } from './command.ts'
import { CLUSTER_COMMANDS } from './commands/cluster.ts'
import { CONNECTION_COMMANDS } from './commands/connection.ts'
import { ENTRY_COMMANDS } from './commands/entry.ts'
import { GENERIC_COMMANDS } from './commands/generic.ts'
import { commandCommand } from './commands/introspection.ts'
import { PUBSUB_COMMANDS } from './commands/pubsub.ts'
import { SERVER_COMMANDS } from './commands/server.ts'
import { STRING_COMMANDS } from './commands/string.ts'
import { TRANSACTION_COMMANDS } from './commands/transactions.ts'

export const COMMANDS: readonly CommandRow[] = [
  ...STRING_COMMANDS,
  ...ENTRY_COMMANDS,
  ...GENERIC_COMMANDS,
  ...TRANSACTION_COMMANDS,
  ...PUBSUB_COMMANDS,
  ...CONNECTION_COMMANDS,
  ...SERVER_COMMANDS,
  ...CLUSTER_COMMANDS,
  commandCommand(() => COMMANDS),
]
