#!/usr/bin/env node
/** The command `jackdaw`. Its exit codes are those of exit-code.ts; after `start` they are the server's. */
import { run } from './program.ts'
import { Terminal } from './terminal.ts'

process.exitCode = await run(process.argv.slice(2), new Terminal())
