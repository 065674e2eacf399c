/**
 * Lent reads: what all clients send is read into one buffer, one piece after the other, instead of into memory of its own for each piece.
 *
 * With `data` events every piece is an ArrayBuffer that is collected later, and what lies off the heap makes the collector start over and over: in
 * pipelines that took an eighth of the server's time. Node reads into a given buffer if asked (`onread`, net.Socket), but only where a socket is made by
 * hand. So the server accepts without reading (`pauseOnConnect`), and another socket is made round the handle of the one it accepted; that one stays
 * as the server's account of the connection, and is closed with it.
 */
import assert from 'node:assert/strict'
import { type BoundSocket, Socket } from 'node:net'

/** As much as Node would read at once. */
const READ_BYTES = 64 * 1024

/** The bytes are valid until `received` returns. */
export type Received = (lent: Buffer, length: number) => void

export class LentReader {
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES)

  /** The socket to use in place of `accepted`, which has not been read from. Its pieces go to `received`, and it has no `data` events. */
  adopt(accepted: Socket, received: Received): Socket {
    const emptied = accepted as unknown as { _handle: BoundSocket | null }
    const handle = emptied._handle
    assert(handle !== null, 'an accepted socket has no handle')
    emptied._handle = null
    const onread = {
      buffer: this.#buffer,
      callback: (length: number, buffer: Uint8Array): boolean => {
        received(buffer as Buffer, length)
        return true
      },
    }
    const socket = new Socket({ handle, onread, allowHalfOpen: true })
    socket.on('close', () => accepted.destroy())
    return socket
  }
}

/** Bytes that the system has taken of what was written, also of a write that is still under way. Node's own timeouts look there too. */
export function sentBytes(socket: Socket): number {
  const { _handle: handle } = socket as unknown as {
    readonly _handle: { readonly bytesWritten: number; readonly writeQueueSize: number } | null
  }
  return handle === null ? 0 : handle.bytesWritten - handle.writeQueueSize
}
