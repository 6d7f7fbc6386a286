import type { Socket as TcpSocket } from 'node:net';
import type { Socket } from 'socket.io';

export type Connection = Socket['conn'];

/** What engine.io's WebSocket transport has and does not declare: the WebSocket, and its connection. */
export type WebSocketTransport = Connection['transport'] & {
  socket?: { readonly readyState: number; terminate(): void; _socket: TcpSocket };
};
/** A packet that engine.io keeps until the transport takes it. */
export interface Waiting {
  data?: string | Buffer;
}
/** What its polling transport has so: how it ends, once the client has polled for the goodbye. */
type PollingTransport = Connection['transport'] & { shouldClose?: (() => void) | null };

/** What waits for the transport, in engine.io's own buffer. */
export function waitingFor(connection: Connection): readonly Waiting[] {
  return (connection as unknown as { writeBuffer: readonly Waiting[] }).writeBuffer;
}

/** How long a client has to take a goodbye, in milliseconds. */
const GOODBYE_MS = 1_000;

/**
 * Closes a connection when what was written for it has left. A client that does not take that is cut:
 * engine.io would hold the connection, or a timer of it, for 30 s.
 */
export function closeConnection(connection: Connection): void {
  // An upgrade may put a WebSocket in its place while it waits.
  const polling = connection.transport as PollingTransport;
  connection.close();
  const cut = (): void => {
    polling.shouldClose?.();
    cutConnection(connection);
  };
  setTimeout(cut, GOODBYE_MS).unref();
}

/** A goodbye would wait behind what the client does not read: the connection is destroyed. */
export function cutConnection(connection: Connection): void {
  (connection.transport as WebSocketTransport).socket?.terminate();
  connection.close(true);
}
