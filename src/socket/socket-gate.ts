import type { Socket as TcpSocket } from 'node:net';
import { StallWatch, takenOf } from '../http/stall-watch.js';
import {
  type Connection,
  cutConnection,
  waitingFor,
  type Waiting,
  type WebSocketTransport,
} from './cut-connection.js';

/**
 * Packets that wait for the next poll before the readers do, and merge what comes. Few enough that
 * acks and states find room beside them in one payload (`polling-payload.ts`).
 */
const POLLING_PACKETS = 8;
/** `readyState` of a WebSocket that is neither closing nor closed. */
const OPEN = 1;

/** What one socket may hold, and for how long. */
export interface SocketBounds {
  /** Bytes held before the gate shuts. */
  bufferBytes: number;
  /** Longest time, in milliseconds, that the client of a shut gate may take nothing. */
  slowMs: number;
  /** Called when it is cut because it took nothing. */
  onSlow(): void;
}

/**
 * One socket's way out. Counts the bytes that were written and that the transport has not yet
 * taken; over the limit it is shut until there is room again. Between two polls the packets count as
 * well. A transport is not writable for a tick
 * after every write, so that alone is no sign of a slow client. A client that takes nothing for a
 * while is cut.
 */
export class SocketGate {
  /** Bytes with the transport, where it is polling, and bytes that wait for it. */
  private sending = 0;
  private waiting = 0;
  private waitingPackets = 0;
  private shut = false;
  /** Times that the transport took what it had. */
  private taken = 0;
  private transport: WebSocketTransport;
  private readonly stall: StallWatch;

  /** @param onOpen called when a shut gate has room again */
  constructor(
    private readonly connection: Connection,
    private readonly bounds: SocketBounds,
    private readonly onOpen: () => void,
  ) {
    this.transport = connection.transport;
    this.stall = new StallWatch(
      bounds.slowMs,
      () => `${this.taken} ${takenOf(this.transport.socket?._socket)}`,
      () => {
        bounds.onSlow();
        cutConnection(connection);
      },
    );
    // Over polling the answer to the namespace's request mostly waits for the first poll.
    for (const packet of waitingFor(connection)) this.count(packet);
    connection.on('packetCreate', this.onPacket);
    connection.on('flush', this.onFlush);
    connection.on('upgrade', this.onUpgrade);
  }

  get isOpen(): boolean {
    return !this.shut;
  }

  /** Whether the transport has taken everything. */
  get isEmpty(): boolean {
    return this.held === 0;
  }

  /**
   * The connection of a WebSocket on which nothing waits anywhere, so that a whole frame may be written
   * to it at once; undefined otherwise, and for a frame that is larger than what may be held.
   */
  straightFor(bytes: number): TcpSocket | undefined {
    const { socket } = this.transport;
    const isFree = socket?.readyState === OPEN && this.isEmpty && bytes <= this.bounds.bufferBytes;
    return isFree ? socket._socket : undefined;
  }

  /** The connection may outlive the socket: it carries other namespaces too. */
  close(): void {
    this.connection.off('packetCreate', this.onPacket);
    this.connection.off('flush', this.onFlush);
    this.connection.off('upgrade', this.onUpgrade);
    this.transport.off('ready', this.onReady);
    this.stall.stop();
  }

  private get held(): number {
    const { writable, socket } = this.transport;
    const sending = socket?._socket.writableLength ?? (writable ? 0 : this.sending);
    return sending + this.waiting;
  }

  private get isFull(): boolean {
    const isPolling = this.transport.name === 'polling';
    return (
      this.held > this.bounds.bufferBytes || (isPolling && this.waitingPackets >= POLLING_PACKETS)
    );
  }

  private count({ data }: Waiting): void {
    if (data !== undefined) this.waiting += Buffer.byteLength(data);
    this.waitingPackets++;
  }

  private open(): void {
    this.shut = false;
    this.stall.stop();
    this.onOpen();
  }

  /** Every packet passes here as the text it is sent as: records, states, acks. */
  private readonly onPacket = (packet: Waiting): void => {
    this.count(packet);
    if (this.shut || !this.isFull) return;
    this.shut = true;
    this.transport.once('ready', this.onReady);
    this.stall.start();
  };

  /** @param packets what the transport gets of what waits: over polling not always all of it */
  private readonly onFlush = (packets: readonly Waiting[]): void => {
    this.sending =
      packets.length === this.waitingPackets
        ? this.waiting
        : packets.reduce((bytes, { data }) => bytes + (data ? Buffer.byteLength(data) : 0), 0);
    this.waiting -= this.sending;
    this.waitingPackets -= packets.length;
  };

  private readonly onUpgrade = (): void => {
    this.transport.off('ready', this.onReady);
    this.transport = this.connection.transport;
    if (!this.shut) return;
    // engine.io flushes what waits after this event; `ready` follows only if there was something.
    if (this.waiting === 0) this.open();
    else this.transport.once('ready', this.onReady);
  };

  /** The transport took all it had, and engine.io has just given it what waited. */
  private readonly onReady = (): void => {
    this.taken++;
    if (this.isFull) this.transport.once('ready', this.onReady);
    else this.open();
  };
}
