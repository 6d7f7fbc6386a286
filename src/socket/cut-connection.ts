import type { Socket as TcpSocket } from 'node:net';
import type { Socket } from 'socket.io';

export type Connection = Socket['conn'];

/** What engine.io's WebSocket transport has and does not declare: the WebSocket, and its connection. */
export type WebSocketTransport = Connection['transport'] & {
  socket?: { readonly readyState: number; terminate(): void; _socket: TcpSocket };
};

/** A goodbye would wait behind what the client does not read: the connection is destroyed. */
export function cutConnection(connection: Connection): void {
  (connection.transport as WebSocketTransport).socket?.terminate();
  connection.close(true);
}
