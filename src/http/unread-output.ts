import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Config } from '../config/config.js';
import { takenOf } from './stall-watch.js';

/** How often within its time a connection is looked at. */
const LOOKS = 4;
/** How often what all of them hold is looked at, in milliseconds. */
const LOOK_MS = 500;
/**
 * Times `SOCKET_BUFFER_BYTES` that a connection has unread at most where its door waits for room: what
 * has more is an answer that was written as a whole.
 */
const STREAMED_BUFFERS = 4;
/** Most bytes of answers written as a whole that all connections of a port together leave unread. */
export const MAX_UNREAD_BYTES = 4 * 1_048_576;

/**
 * Cuts the connections of a server whose clients do not take what is written for them: those that take
 * nothing for a while, and the largest while all of them together hold too much. A single slow client
 * that takes some bytes is left alone.
 */
export function cutUnread(
  server: Server,
  { SLOW_READER_MS, SOCKET_BUFFER_BYTES }: Pick<Config, 'SLOW_READER_MS' | 'SOCKET_BUFFER_BYTES'>,
): void {
  const open = new Map<Socket, { taken: string; looks: number }>();
  server.on('connection', (socket: Socket) => {
    open.set(socket, { taken: '', looks: 0 });
    socket.once('close', () => open.delete(socket));
  });
  const streamed = STREAMED_BUFFERS * SOCKET_BUFFER_BYTES;
  const cut = (): void => cutLargest(open.keys(), streamed);
  server.on('request', (_request, response) => {
    // It has just been written as a whole: a moment later there might be many of them.
    response.once('prefinish', () => {
      if ((response.socket?.writableLength ?? 0) > streamed) cut();
    });
  });
  const timers = [
    setInterval(() => {
      for (const [socket, last] of open) {
        const taken = takenOf(socket);
        last.looks = socket.writableLength > 0 && taken === last.taken ? last.looks + 1 : 0;
        last.taken = taken;
        if (last.looks >= LOOKS) socket.destroy();
      }
    }, SLOW_READER_MS / LOOKS),
    setInterval(cut, LOOK_MS),
  ];
  for (const timer of timers) timer.unref();
  server.once('close', () => timers.forEach(clearInterval));
}

/** @param streamed bytes of which a connection may have as many as it likes */
function cutLargest(sockets: Iterable<Socket>, streamed: number): void {
  const large = [...sockets]
    .filter(({ writableLength }) => writableLength > streamed)
    .sort((one, other) => other.writableLength - one.writableLength);
  let total = large.reduce((sum, { writableLength }) => sum + writableLength, 0);
  for (const socket of large.slice(0, -1)) {
    if (total <= MAX_UNREAD_BYTES) return;
    total -= socket.writableLength;
    socket.destroy();
  }
}
