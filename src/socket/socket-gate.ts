import type { Socket } from 'socket.io';

/** What of engine.io's socket the gate looks at; all of it is public there. */
type Connection = Socket['conn'];

/**
 * One socket's way out. Counts the bytes that were written and that the transport has not yet
 * taken; over the limit it is shut until there is room again. A transport is not writable for a tick
 * after every write, so that alone is no sign of a slow client.
 */
export class SocketGate {
  /** Bytes with the transport, and bytes that wait for it. */
  private sending = 0;
  private waiting = 0;
  private shut = false;
  private transport: Connection['transport'];

  /**
   * @param limit bytes held before the gate shuts
   * @param onOpen called when a shut gate has room again
   */
  constructor(
    connection: Connection,
    private readonly limit: number,
    private readonly onOpen: () => void,
  ) {
    this.transport = connection.transport;
    // Every packet passes here as the text it is sent as: records, states, acks.
    connection.on('packetCreate', (packet: { data?: string | Buffer }) => {
      if (packet.data !== undefined) this.waiting += Buffer.byteLength(packet.data);
    });
    connection.on('flush', () => {
      this.sending = this.waiting;
      this.waiting = 0;
    });
    connection.on('upgrade', () => {
      this.transport.off('ready', this.onReady);
      this.transport = connection.transport;
      if (this.shut) this.waitUntilReady();
    });
  }

  get isOpen(): boolean {
    if (!this.shut && this.held > this.limit) {
      this.shut = true;
      this.waitUntilReady();
    }
    return !this.shut;
  }

  /** Whether the transport has taken everything. */
  get isEmpty(): boolean {
    return this.held === 0;
  }

  close(): void {
    this.transport.off('ready', this.onReady);
  }

  private get held(): number {
    return (this.transport.writable ? 0 : this.sending) + this.waiting;
  }

  private waitUntilReady(): void {
    this.transport.once('ready', this.onReady);
  }

  /** engine.io has just handed the transport what waited. */
  private readonly onReady = (): void => {
    if (this.held > this.limit) return this.waitUntilReady();
    this.shut = false;
    this.onOpen();
  };
}
