import type { Server, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  FaultProxy as Proxy,
  ProxiedConnection as Connection,
} from '../../src/demo/fault-proxy.js';

/** What a bad network does to bytes on their way to the client; may change at any moment. */
interface Faults {
  /** How long each read waits before it goes on, in milliseconds. */
  delayMs: number;
  /** Most bytes that a connection lets through in a millisecond, on average. */
  bytesPerMs: number;
}

/** A connection that counts, dribbles, delays, and dies where a test wants it to. */
export class ProxiedConnection extends Connection {
  bytesToClient = 0;
  bytesToTarget = 0;
  /** Bytes that still pass towards the client before the cut. */
  private budget = Infinity;

  constructor(
    client: Socket,
    target: Socket,
    private readonly faults: Faults,
  ) {
    super(client, target);
    client.on('data', (bytes) => (this.bytesToTarget += bytes.length));
  }

  /** Kills the connection when exactly so many more bytes have gone to the client. */
  cutAfter(bytes: number): void {
    this.budget = bytes;
    if (bytes === 0) this.cut();
  }

  protected override async *towardsClient(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    // A timer of 1 ms takes longer on a busy machine; the rate stays.
    let ms = 1;
    for await (const bytes of source) {
      if (this.faults.delayMs > 0) {
        await sleep(this.faults.delayMs, undefined, { signal: this.signal });
      }
      for (let at = 0; at < bytes.length;) {
        await this.passage;
        const { bytesPerMs } = this.faults;
        const step = bytes.subarray(at, at + Math.min(Math.floor(bytesPerMs * ms), this.budget));
        at += step.length;
        this.budget -= step.length;
        this.bytesToClient += step.length;
        yield step;
        if (this.budget === 0) {
          this.target.destroy();
          this.client.destroySoon();
          return;
        }
        if (bytesPerMs === Infinity) continue;
        const from = performance.now();
        await sleep(1, undefined, { signal: this.signal });
        ms = Math.max(1, performance.now() - from);
      }
    }
  }
}

/** The demo's proxy in front of a port of this machine, with more faults and a memory. */
export class FaultProxy extends Proxy implements Faults {
  delayMs = 0;
  bytesPerMs = Infinity;
  /** Told of each new connection, before any byte has passed. */
  onConnection: (connection: ProxiedConnection) => void = () => undefined;
  /** Every connection that was let in so far. */
  readonly connections: ProxiedConnection[] = [];
  refused = 0;
  private isStalled = false;

  private constructor(server: Server, targetPort: number) {
    super(server);
    this.target = { host: '127.0.0.1', port: targetPort };
  }

  static async start(targetPort: number): Promise<FaultProxy> {
    return new FaultProxy(await Proxy.listener({ host: '127.0.0.1', port: 0 }), targetPort);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get bytesToClients(): number {
    return this.connections.reduce((sum, { bytesToClient }) => sum + bytesToClient, 0);
  }

  get bytesToTarget(): number {
    return this.connections.reduce((sum, { bytesToTarget }) => sum + bytesToTarget, 0);
  }

  /** Stalls every connection, those to come too. */
  stall(): void {
    this.isStalled = true;
    for (const connection of this.openConnections) connection.stall();
  }

  resume(): void {
    this.isStalled = false;
    for (const connection of this.openConnections) connection.resume();
  }

  protected override admit(client: Socket, target: Socket): ProxiedConnection {
    const connection = new ProxiedConnection(client, target, this);
    this.connections.push(connection);
    if (this.isStalled) connection.stall();
    this.onConnection(connection);
    return connection;
  }

  protected override refuse(client: Socket): void {
    this.refused++;
    super.refuse(client);
  }
}
