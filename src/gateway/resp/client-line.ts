/**
 * The line that CLIENT LIST and CLIENT INFO have for one client, field by field as in Redis, so that tools which read it go on working. What has no
 * meaning here is 0.
 */
import type { Session } from './session.ts'

export type ClientType = 'normal' | 'pubsub' | 'master' | 'replica'

export function typeOf(session: Session): ClientType {
  return session.subscriptions > 0 ? 'pubsub' : 'normal'
}

/** Without a line end. */
export function clientLine(session: Session): string {
  const { control } = session
  const nowMs = session.hub.clock.now()
  const fields: (readonly [string, string | number])[] = [
    ['id', session.id],
    ['addr', session.address],
    ['laddr', session.localAddress],
    ['fd', 0],
    ['name', session.name],
    ['age', Math.floor((nowMs - session.createdAtMs) / 1000)],
    ['idle', Math.max(0, Math.floor((nowMs - session.lastActiveMs) / 1000))],
    ['flags', flagsOf(session)],
    ['db', 0],
    ['sub', session.channels.size],
    ['psub', session.patterns.size],
    ['ssub', 0],
    ['multi', control.inTransaction ? control.queued : -1],
    ['qbuf', control.inputBytes],
    ['qbuf-free', 0],
    ['argv-mem', 0],
    ['multi-mem', 0],
    ['rbs', 0],
    ['rbp', 0],
    ['obl', 0],
    ['oll', 0],
    ['omem', control.outputBytes],
    ['tot-mem', control.inputBytes + control.outputBytes],
    ['events', 'r'],
    ['cmd', session.lastCommand === '' ? 'NULL' : session.lastCommand],
    ['user', 'default'],
    ['redir', -1],
    ['resp', session.protocol],
    ['lib-name', session.libName],
    ['lib-ver', session.libVersion],
    ['tot-cmds', session.commands],
  ]
  return fields.map(([name, value]) => `${name}=${value}`).join(' ')
}

function flagsOf(session: Session): string {
  const flags = [
    session.control.inTransaction ? 'x' : '',
    session.subscriptions > 0 ? 'P' : '',
    session.noEvict ? 'e' : '',
    session.noTouch ? 'T' : '',
  ].join('')
  return flags === '' ? 'N' : flags
}
