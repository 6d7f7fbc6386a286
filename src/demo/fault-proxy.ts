import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';

/** Where a TCP server listens. */
export interface Address {
  host: string;
  port: number;
}

/** One connection through a proxy. */
export class ProxiedConnection {
  private readonly gone = new AbortController();
  protected passage = Promise.resolve();
  private isStalled = false;
  private letPass: () => void = () => undefined;

  constructor(
    protected readonly client: Socket,
    protected readonly target: Socket,
  ) {
    // The death of either side is the death of both.
    for (const end of [client, target]) end.on('error', () => this.cut());
    void pipeline(client, target).catch(() => this.cut());
    void pipeline(
      target,
      (source: AsyncIterable<Buffer>) => this.towardsClient(source),
      client,
    ).catch(() => this.cut());
  }

  get isOpen(): boolean {
    return !this.client.destroyed;
  }

  /** The port that the target sees it come from; undefined until that has been reached. */
  get sourcePort(): number | undefined {
    return this.target.localPort;
  }

  /** Aborts when it is cut. */
  protected get signal(): AbortSignal {
    return this.gone.signal;
  }

  /** Kills it now, on both sides. */
  cut(): void {
    this.gone.abort();
    this.client.destroy();
    this.target.destroy();
  }

  /** It stays, but nothing passes towards the client, and nothing more is read for it. */
  stall(): void {
    if (this.isStalled) return;
    this.isStalled = true;
    this.passage = new Promise((resolve) => (this.letPass = resolve));
  }

  resume(): void {
    this.isStalled = false;
    this.letPass();
  }

  /** What the client gets of what the target sends. */
  protected async *towardsClient(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const bytes of source) {
      await this.passage;
      yield bytes;
    }
  }
}

/**
 * A TCP proxy that does to connections what bad networks do. The faults act on bytes towards the
 * client; those towards the target pass untouched.
 */
export class FaultProxy {
  /** New connections are reset. The port stays taken, so that nobody else gets it meanwhile. */
  refusing = false;
  /** Where connections go; until it is known, they are reset. */
  target: Address | undefined;
  readonly port: number;
  private readonly open = new Set<ProxiedConnection>();

  protected constructor(private readonly server: Server) {
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => this.accept(client));
  }

  /** @throws Error when it cannot listen there; port 0 = any free one */
  static async listen(address: Address): Promise<FaultProxy> {
    return new FaultProxy(await FaultProxy.listener(address));
  }

  protected static async listener({ host, port }: Address): Promise<Server> {
    // Half-open: either side may end before the other does.
    const server = createServer({ allowHalfOpen: true }).listen(port, host);
    await once(server, 'listening');
    return server;
  }

  /** Connections that are open now. */
  get openConnections(): readonly ProxiedConnection[] {
    return [...this.open].filter(({ isOpen }) => isOpen);
  }

  /** Kills every open connection now. */
  cut(): void {
    for (const connection of this.open) connection.cut();
  }

  /** Kills every connection and lets nobody in any more. */
  async close(): Promise<void> {
    this.cut();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  /** Makes a connection of its two ends. */
  protected admit(client: Socket, target: Socket): ProxiedConnection {
    return new ProxiedConnection(client, target);
  }

  protected refuse(client: Socket): void {
    client.resetAndDestroy();
  }

  private accept(client: Socket): void {
    if (this.refusing || this.target === undefined) return this.refuse(client);
    const connection = this.admit(client, connect({ ...this.target, allowHalfOpen: true }));
    this.open.add(connection);
    client.once('close', () => this.open.delete(connection));
  }
}
