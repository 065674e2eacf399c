/**
 * Traffic: what the telnet face did, in plain numbers.
 */
import { COMMAND_NAMES, type CommandName } from './command.ts'

/** Called once for each line, when its answer is complete; `seconds` since the line was there to be executed. */
export type ObserveCommand = (command: CommandName, seconds: number) => void

export interface TextStats {
  /** Open now. */
  readonly connections: number
  readonly connectionsTotal: number
  /** Connections over `maxClients`. */
  readonly rejectedTotal: number
  readonly commandsTotal: Readonly<Record<CommandName, number>>
  /** Answers that began with `ERROR:`. */
  readonly errorsTotal: number
  readonly readBytesTotal: number
  readonly writtenBytesTotal: number
  /** Connections cut because more than `outputBufferLimitBytes` waited for the client. */
  readonly outputLimitTotal: number
  /** Connections ended by `idleTimeoutMs`: idle ones, half lines, and clients that did not read. */
  readonly timeoutsTotal: number
  /** Listings that failed midway. */
  readonly brokenListingsTotal: number
}

export class Traffic {
  readonly #observe: ObserveCommand
  readonly #commands = Object.fromEntries(COMMAND_NAMES.map((name) => [name, 0])) as Record<CommandName, number>
  connectionsTotal = 0
  rejectedTotal = 0
  errorsTotal = 0
  readBytesTotal = 0
  writtenBytesTotal = 0
  outputLimitTotal = 0
  timeoutsTotal = 0
  brokenListingsTotal = 0

  constructor(observe: ObserveCommand) {
    this.#observe = observe
  }

  count(command: CommandName, seconds: number): void {
    this.#commands[command]++
    this.#observe(command, seconds)
  }

  stats(connections: number): TextStats {
    return {
      connections,
      connectionsTotal: this.connectionsTotal,
      rejectedTotal: this.rejectedTotal,
      commandsTotal: { ...this.#commands },
      errorsTotal: this.errorsTotal,
      readBytesTotal: this.readBytesTotal,
      writtenBytesTotal: this.writtenBytesTotal,
      outputLimitTotal: this.outputLimitTotal,
      timeoutsTotal: this.timeoutsTotal,
      brokenListingsTotal: this.brokenListingsTotal,
    }
  }
}
