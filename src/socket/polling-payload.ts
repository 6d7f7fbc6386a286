import type { Server, Socket } from 'socket.io';

type Connection = Socket['conn'];

/**
 * Most packets in one polling response. python-engineio reads 16 and drops the connection over more
 * (`Payload.max_decode_packets`); the transport may add one of its own, to close.
 */
const MAX_PACKETS = 15;

/** Bounds what a poll is answered with: the rest waits for the next one. */
export function boundPollingPayloads(engine: Server['engine']): void {
  engine.on('connection', (connection: Connection) => {
    let rest: unknown[] = [];
    // engine.io tells of a flush before it takes the packets, and of a drain right after.
    connection.on('flush', (packets: unknown[]) => {
      if (connection.transport.name === 'polling') rest = packets.splice(MAX_PACKETS);
    });
    connection.on('drain', () => {
      if (rest.length === 0) return;
      const { writeBuffer } = connection as unknown as { writeBuffer: unknown[] };
      writeBuffer.unshift(...rest);
      rest = [];
    });
  });
}
