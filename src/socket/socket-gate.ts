import type { Socket } from 'socket.io';
import { StallWatch, unsent } from './stall-watch.js';

interface Packet {
  /** What it is sent as; a ping has none. */
  data?: string | Buffer;
}

/** engine.io's socket, and what of it and of its WebSocket transport it does not declare. */
interface Connection {
  readonly transport: Socket['conn']['transport'] & {
    socket?: { terminate(): void; readonly bufferedAmount: number; _socket?: unknown };
  };
  /** What waits for the transport: another array once the transport was given this one. */
  readonly writeBuffer: readonly Packet[];
  on(event: 'upgrade', listener: () => void): unknown;
  off(event: 'upgrade', listener: () => void): unknown;
  close(discard: boolean): void;
}

/**
 * One socket's way out: shut while more bytes are held for it than the limit. A transport is not
 * writable for a tick after every write, so that alone is no sign of a slow client. A client that
 * takes nothing for a while is cut. It looks at the connection when it is asked: a listener for each
 * packet took 3 % of the CPU of a token.
 */
export class SocketGate {
  private readonly connection: Connection;
  private shut = false;
  /** The packets that waited when it last looked, how many of them are counted, and their bytes. */
  private packets: readonly Packet[] = [];
  private counted = 0;
  private waiting = 0;
  /** Bytes of those that the transport was given last. */
  private sending = 0;
  /** Whose `ready` opens the gate; and how often a transport took all it had. */
  private awaited: Connection['transport'] | undefined;
  private taken = 0;
  private readonly stall: StallWatch;

  /**
   * @param limit bytes held before the gate shuts
   * @param slowMs longest time a shut gate's client may take nothing
   * @param onOpen called when a shut gate has room again
   */
  constructor(
    connection: Socket['conn'],
    private readonly limit: number,
    slowMs: number,
    private readonly onOpen: () => void,
  ) {
    this.connection = connection as unknown as Connection;
    this.stall = new StallWatch(
      slowMs,
      () => `${this.taken} ${unsent(this.connection.transport.socket?._socket)}`,
      () => this.cut(),
    );
  }

  /** Shuts the gate where there is none: false from then on until `onOpen` is called. */
  hasRoom(): boolean {
    if (!this.shut && this.held > this.limit) {
      this.shut = true;
      this.connection.on('upgrade', this.onUpgrade);
      this.awaitReady();
      this.stall.start();
    }
    return !this.shut;
  }

  /** Whether the transport has taken everything. */
  get isEmpty(): boolean {
    return this.held === 0;
  }

  /** The connection may outlive the socket: it carries other namespaces too. */
  close(): void {
    this.connection.off('upgrade', this.onUpgrade);
    this.awaited?.off('ready', this.onReady);
    this.stall.stop();
  }

  private get held(): number {
    const { transport, writeBuffer } = this.connection;
    if (transport.socket === undefined) {
      this.count(writeBuffer);
      return (transport.writable ? 0 : this.sending) + this.waiting;
    }
    if (writeBuffer.length === 0) return transport.socket.bufferedAmount;
    this.count(writeBuffer);
    return transport.socket.bufferedAmount + this.waiting;
  }

  /** Each packet once, however often it looks. */
  private count(packets: readonly Packet[]): void {
    this.countAdded();
    if (packets === this.packets) return;
    this.sending = this.waiting;
    this.packets = packets;
    this.counted = 0;
    this.waiting = 0;
    this.countAdded();
  }

  private countAdded(): void {
    for (; this.counted < this.packets.length; this.counted++) {
      this.waiting += Buffer.byteLength(this.packets[this.counted]?.data ?? '');
    }
  }

  private awaitReady(): void {
    this.awaited = this.connection.transport;
    this.awaited.once('ready', this.onReady);
  }

  private open(): void {
    this.shut = false;
    this.close();
    this.onOpen();
  }

  private readonly onUpgrade = (): void => {
    this.awaited?.off('ready', this.onReady);
    // engine.io flushes what waits after this event; `ready` follows only if there was something.
    if (this.connection.writeBuffer.length === 0) this.open();
    else this.awaitReady();
  };

  /** The transport took all it had, and engine.io has just given it what waited. */
  private readonly onReady = (): void => {
    this.taken++;
    if (this.held > this.limit) this.awaitReady();
    else this.open();
  };

  /** A goodbye would wait behind the full buffer: the connection is destroyed. */
  private cut(): void {
    this.connection.transport.socket?.terminate();
    this.connection.close(true);
  }
}
