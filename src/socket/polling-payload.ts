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
    if (connection.transport.name !== 'polling') return;
    let rest: unknown[] = [];
    // engine.io tells of a flush before it takes the packets, and of a drain right after.
    const onFlush = (packets: unknown[]): void => void (rest = packets.splice(MAX_PACKETS));
    const onDrain = (): void => {
      if (rest.length === 0) return;
      const { writeBuffer } = connection as unknown as { writeBuffer: unknown[] };
      writeBuffer.unshift(...rest);
      rest = [];
    };
    connection.on('flush', onFlush).on('drain', onDrain);
    // A WebSocket has no need of it, and would pay for it with each token.
    connection.once('upgrade', () => connection.off('flush', onFlush).off('drain', onDrain));
  });
}
