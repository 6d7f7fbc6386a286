import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a bad network does to bytes on their way to the client; may change at any moment. */
interface Faults {
  /** How long each read waits before it goes on, in milliseconds. */
  delayMs: number;
  /** Most bytes that a connection lets through in a millisecond. */
  bytesPerMs: number;
  /** Resolves when bytes may pass. */
  readonly passage: Promise<void>;
}

/** One connection through the proxy. */
export class ProxiedConnection {
  bytesToClient = 0;
  bytesToTarget = 0;
  /** Bytes that still pass towards the client before the cut. */
  private budget = Infinity;
  private readonly gone = new AbortController();

  constructor(
    private readonly client: Socket,
    private readonly target: Socket,
    private readonly faults: Faults,
  ) {
    client.on('data', (bytes) => (this.bytesToTarget += bytes.length));
    // The death of either side is the death of both.
    for (const end of [client, target]) end.on('error', () => this.cut());
    void pipeline(client, target).catch(() => this.cut());
    void pipeline(target, (source: AsyncIterable<Buffer>) => this.suffer(source), client).catch(
      () => this.cut(),
    );
  }

  get isOpen(): boolean {
    return !this.client.destroyed;
  }

  /** Kills the connection now, on both sides. */
  cut(): void {
    this.gone.abort();
    this.client.destroy();
    this.target.destroy();
  }

  /** Kills the connection when exactly so many more bytes have gone to the client. */
  cutAfter(bytes: number): void {
    this.budget = bytes;
    if (bytes === 0) this.cut();
  }

  private async *suffer(source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    const { signal } = this.gone;
    for await (const bytes of source) {
      if (this.faults.delayMs > 0) await sleep(this.faults.delayMs, undefined, { signal });
      for (let at = 0; at < bytes.length;) {
        await this.faults.passage;
        const { bytesPerMs } = this.faults;
        const step = bytes.subarray(at, at + Math.min(bytesPerMs, this.budget));
        at += step.length;
        this.budget -= step.length;
        this.bytesToClient += step.length;
        yield step;
        if (this.budget === 0) {
          this.target.destroy();
          this.client.destroySoon();
          return;
        }
        if (bytesPerMs < Infinity) await sleep(1, undefined, { signal });
      }
    }
  }
}

/**
 * A TCP proxy in front of a port of this machine that does to connections what bad networks do. The
 * faults act on bytes towards the client; those towards the target pass untouched.
 */
export class FaultProxy implements Faults {
  delayMs = 0;
  bytesPerMs = Infinity;
  passage = Promise.resolve();
  /** New connections are reset. The port stays taken, so that nobody else gets it meanwhile. */
  refusing = false;
  /** Told of each new connection, before any byte has passed. */
  onConnection: (connection: ProxiedConnection) => void = () => undefined;
  /** Every connection that was let in so far. */
  readonly connections: ProxiedConnection[] = [];
  refused = 0;
  private letPass: () => void = () => undefined;

  private constructor(
    readonly port: number,
    private readonly server: Server,
    private readonly targetPort: number,
  ) {
    server.on('connection', (client) => this.accept(client));
  }

  static async start(targetPort: number): Promise<FaultProxy> {
    // Half-open: either side may end before the other does.
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FaultProxy((server.address() as AddressInfo).port, server, targetPort);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Connections that are open now. */
  get openConnections(): readonly ProxiedConnection[] {
    return this.connections.filter(({ isOpen }) => isOpen);
  }

  get bytesToClients(): number {
    return this.connections.reduce((sum, { bytesToClient }) => sum + bytesToClient, 0);
  }

  get bytesToTarget(): number {
    return this.connections.reduce((sum, { bytesToTarget }) => sum + bytesToTarget, 0);
  }

  /** Kills every open connection now. */
  cut(): void {
    for (const connection of this.connections) connection.cut();
  }

  /** Connections stay, but nothing passes towards the clients, and nothing more is read for them. */
  stall(): void {
    this.passage = new Promise((resolve) => (this.letPass = resolve));
  }

  resume(): void {
    this.letPass();
  }

  /** Kills every connection and lets nobody in any more. */
  async close(): Promise<void> {
    this.cut();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  private accept(client: Socket): void {
    if (this.refusing) {
      this.refused++;
      client.resetAndDestroy();
      return;
    }
    const target = connect({ port: this.targetPort, host: '127.0.0.1', allowHalfOpen: true });
    const connection = new ProxiedConnection(client, target, this);
    this.connections.push(connection);
    this.onConnection(connection);
  }
}
