/** The configuration cannot be used. The message is one sentence for the operator: which option, what was given, what the limit is. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}
