import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** How often within its time a connection is looked at. */
const LOOKS = 4;

/**
 * Cuts the connections of a server that take nothing of what is written for them: an answer that
 * nobody fetches would stay in memory for ever. A client that takes some bytes is left alone.
 * @param ms longest time without a byte taken
 */
export function cutUnread(server: Server, ms: number): void {
  const open = new Map<Socket, { taken: string; looks: number }>();
  server.on('connection', (socket: Socket) => {
    open.set(socket, { taken: '', looks: 0 });
    socket.once('close', () => open.delete(socket));
  });
  const looking = setInterval(() => {
    for (const [socket, last] of open) {
      const taken = takenOf(socket);
      last.looks = socket.writableLength > 0 && taken === last.taken ? last.looks + 1 : 0;
      last.taken = taken;
      if (last.looks >= LOOKS) socket.destroy();
    }
  }, ms / LOOKS).unref();
  server.once('close', () => clearInterval(looking));
}

/**
 * Anything that changes whenever the kernel takes bytes. Node counts a write as pending until all of
 * it is gone; only the handle knows of a part, and no public property does.
 */
function takenOf(socket: Socket): string {
  const { _handle: handle } = socket as { _handle?: { writeQueueSize?: number } | null };
  return `${socket.bytesWritten - socket.writableLength} ${handle?.writeQueueSize ?? 0}`;
}
