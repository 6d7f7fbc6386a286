import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy } from './support/fault-proxy.js';
import { until } from './support/until.js';

/** A plain TCP client that keeps what it was sent. */
class TcpClient {
  text = '';
  error: NodeJS.ErrnoException | undefined;
  readonly closed: Promise<unknown>;

  constructor(readonly socket: Socket) {
    socket.on('data', (bytes: Buffer) => (this.text += bytes.toString('latin1')));
    socket.on('error', (error) => (this.error = error));
    this.closed = new Promise((resolve) => socket.once('close', resolve));
  }

  static async to(port: number): Promise<TcpClient> {
    const client = new TcpClient(connect(port, '127.0.0.1'));
    await once(client.socket, 'connect');
    return client;
  }

  async until(text: string): Promise<void> {
    await until(() => this.text.length >= text.length);
    expect(this.text).toBe(text);
  }
}

describe('the fault proxy', () => {
  let server: Server;
  let proxy: FaultProxy;
  /** The server's ends of the connections, in the order of arrival; each echoes. */
  let ends: Socket[];

  beforeEach(async () => {
    ends = [];
    server = createServer({ allowHalfOpen: true }, (socket) => {
      ends.push(socket);
      socket.on('error', () => undefined);
      socket.pipe(socket);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await FaultProxy.start((server.address() as AddressInfo).port);
  });
  afterEach(async () => {
    await proxy.close();
    for (const end of ends) end.destroy();
    server.close();
  });

  const open = async (): Promise<[client: TcpClient, end: Socket]> => {
    const count = ends.length;
    const client = await TcpClient.to(proxy.port);
    await until(() => ends.length > count);
    return [client, ends[count]!];
  };

  it('passes bytes both ways, ends included, and counts them', async () => {
    const [client] = await open();
    const [other] = await open();
    client.socket.end('hello');
    await client.closed;
    expect(client.text).toBe('hello');
    other.socket.write('hi');
    await other.until('hi');
    expect(proxy.connections.map((one) => [one.bytesToTarget, one.bytesToClient])).toEqual([
      [5, 5],
      [2, 2],
    ]);
    expect([proxy.bytesToTarget, proxy.bytesToClients]).toEqual([7, 7]);
    expect(proxy.openConnections).toEqual([proxy.connections[1]]);
    expect(proxy.url).toBe(`http://127.0.0.1:${proxy.port}`);
  });

  it('passes more than any buffer holds, unchanged', async () => {
    const [client, end] = await open();
    const text = '0123456789'.repeat(500_000);
    end.write(text);
    await client.until(text);
  });

  it('passes the death of the server on', async () => {
    const [client, end] = await open();
    end.destroy();
    await client.closed;
    await until(() => proxy.openConnections.length === 0);
  });

  it('passes the death of the client on', async () => {
    const [client, end] = await open();
    client.socket.resetAndDestroy();
    await until(() => end.destroyed);
  });

  it('cuts one connection, on both sides, and leaves the others', async () => {
    const [cut, cutEnd] = await open();
    const [kept] = await open();
    proxy.connections[0]!.cut();
    await cut.closed;
    await until(() => cutEnd.destroyed);
    kept.socket.write('still here');
    await kept.until('still here');
  });

  it('cuts all connections at once, and lets new ones in', async () => {
    const clients = [await open(), await open()];
    proxy.cut();
    await Promise.all(clients.map(([client]) => client.closed));
    await until(() => clients.every(([, end]) => end.destroyed));
    expect(proxy.openConnections).toEqual([]);
    const [next] = await open();
    next.socket.write('again');
    await next.until('again');
  });

  it.each([1, 7, 65_537])('cuts a connection after exactly %i more bytes', async (bytes) => {
    const [client, end] = await open();
    end.write('before');
    await client.until('before');
    proxy.connections[0]!.cutAfter(bytes);
    const rest = '0123456789'.repeat(20_000);
    end.write(rest);
    await client.closed;
    expect(client.text).toBe(`before${rest.slice(0, bytes)}`);
    await until(() => end.destroyed);
  });

  it('lets a test arm each new connection', async () => {
    proxy.onConnection = (connection) => connection.cutAfter(3 * proxy.connections.length);
    for (const text of ['012', '012345']) {
      const client = await TcpClient.to(proxy.port);
      client.socket.write('0123456789');
      await client.closed;
      expect(client.text).toBe(text);
    }
  });

  it('delays what goes to the client', async () => {
    const [client, end] = await open();
    proxy.delayMs = 150;
    const from = performance.now();
    end.write('late');
    await client.until('late');
    expect(performance.now() - from).toBeGreaterThan(140);
  });

  it('dribbles', async () => {
    const [client, end] = await open();
    proxy.bytesPerMs = 2;
    const from = performance.now();
    end.write('x'.repeat(4_000));
    await until(() => client.text.length > 0);
    expect(client.text.length).toBeLessThan(4_000);
    await client.until('x'.repeat(4_000));
    // A timer may fire a fraction early, so not the full 2 s.
    expect(performance.now() - from).toBeGreaterThan(1_600);
  });

  it('stalls: the connection stays, nothing arrives, the server feels it; then all of it comes', async () => {
    const [client, end] = await open();
    end.write('before');
    await client.until('before');
    proxy.stall();
    const megabytes = 'x'.repeat(20_000_000);
    end.write(megabytes);
    await sleep(100);
    expect(client.text).toBe('before');
    expect(proxy.openConnections).toHaveLength(1);
    expect(end.writableLength).toBeGreaterThan(0);
    const toTarget = proxy.bytesToTarget;
    client.socket.write('up');
    await until(() => proxy.bytesToTarget === toTarget + 2);
    proxy.resume();
    await client.until(`before${megabytes}up`);
  });

  it('refuses new connections for a while, and keeps the old ones', async () => {
    const [old] = await open();
    proxy.refusing = true;
    const refused = new TcpClient(connect(proxy.port, '127.0.0.1'));
    await refused.closed;
    expect(refused.error?.code).toBe('ECONNRESET');
    expect(proxy.refused).toBe(1);
    expect(ends).toHaveLength(1);
    old.socket.write('old');
    await old.until('old');
    proxy.refusing = false;
    const [client] = await open();
    client.socket.write('new');
    await client.until('new');
  });

  it.each<[string, () => void]>([
    ['stalled', () => proxy.stall()],
    ['delayed', () => (proxy.delayMs = 60_000)],
    ['dribbling', () => (proxy.bytesPerMs = 1)],
  ])('leaves nothing open when it is closed while it is %s', async (_, fault) => {
    const before = process.getActiveResourcesInfo().length;
    const clients: Awaited<ReturnType<typeof open>>[] = [];
    for (let count = 0; count < 20; count++) clients.push(await open());
    fault();
    for (const [, end] of clients) end.write('x'.repeat(1_000_000));
    await sleep(20);
    await proxy.close();
    await Promise.all(clients.map(([client]) => client.closed));
    await until(() => clients.every(([, end]) => end.destroyed));
    // Jest has timers of its own that come and go; each connection would leave at least one.
    await until(() => process.getActiveResourcesInfo().length < before + clients.length / 2);
    await expect(TcpClient.to(proxy.port)).rejects.toThrow('ECONNREFUSED');
  });
});
