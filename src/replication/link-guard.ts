/** The handlers of a link, so that a peer which sends what cannot be read loses its link, not our process. */
import { MalformedError } from '../lib/bytes.ts'
import type { Logger } from '../lib/logger.ts'
import type { PeerLink, PeerLinkHandlers } from './peers.ts'

export function guarded(link: PeerLink, logger: Logger, handlers: PeerLinkHandlers): PeerLinkHandlers {
  return {
    message: (message) => {
      try {
        handlers.message(message)
      } catch (error) {
        if (!(error instanceof MalformedError)) throw error
        logger.warn({ peer: link.peer.name, why: error.message }, 'a peer sent a frame that cannot be read')
        link.close()
      }
    },
    closed: (reason) => handlers.closed(reason),
  }
}
