import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as fc from 'fast-check';
import { Server, type Socket } from 'socket.io';
import { io, type Socket as Client } from 'socket.io-client';
import { until } from '../../test/support/until.js';
import type { WebSocketTransport } from './cut-connection.js';
import { sendRecord } from './event-frame.js';
import { RecordRenderer } from './record-renderer.js';
import { SocketGate } from './socket-gate.js';

const BUFFER_BYTES = 65_536;
/** More than the kernel takes for a client that does not read. */
const FLOOD = 300;
const PIECE = '天'.repeat(20_000);
const renderer = new RecordRenderer({
  id: 'k3JvX0d1Qm6c7Tq2Zr9s_A',
  model: 'm',
  endpoint: 'generate',
});

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      does: fc.constant('record' as const),
      size: fc.constantFrom(1, 100, 30_000, 70_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant('event' as const), size: fc.constantFrom(1, 30_000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constantFrom('turn' as const, 'pause' as const, 'flood' as const),
      size: fc.constant(0),
    }),
  },
);

const url = (of: HttpServer): string => `http://127.0.0.1:${(of.address() as AddressInfo).port}`;

describe('the way out of a WebSocket', () => {
  let http: HttpServer;
  let server: Server;
  let client: Client;
  let socket: Socket;
  let gate: SocketGate;
  let cuts: number;
  /** What the client has got: the numbers of records and events. */
  let got: number[];

  beforeEach(async () => {
    http = createServer().listen(0, '127.0.0.1');
    server = new Server(http, { perMessageDeflate: false });
    await once(http, 'listening');
    const connected = once(server.of('/events'), 'connection');
    client = io(`${url(http)}/events`, { transports: ['websocket'] });
    [socket] = (await connected) as [Socket];
    cuts = 0;
    got = [];
    client.on('streamData', ({ seq }: { seq: number }) => got.push(seq));
    client.on('other', (seq: number) => got.push(seq));
    gate = gateOf(socket, BUFFER_BYTES, () => undefined);
  });
  afterEach(async () => {
    gate.close();
    client.close();
    await server.close();
  });

  const gateOf = (of: Socket, bufferBytes: number, onOpen: () => void): SocketGate =>
    new SocketGate(of.conn, { bufferBytes, slowMs: 20_000, onSlow: () => cuts++ }, onOpen);
  const write = (seq: number, text: string, onTaken?: () => void): void =>
    sendRecord(
      socket.conn,
      gate,
      { seq, from: seq, said: { type: 'text', text, createdAt: '' } },
      renderer,
      onTaken,
    );
  const held = (): number => {
    const { socket: webSocket } = socket.conn.transport as WebSocketTransport;
    return webSocket?._socket.writableLength ?? 0;
  };
  const clientSide = (): { pause(): void; resume(): void } =>
    (client.io.engine.transport as unknown as { ws: { pause(): void; resume(): void } }).ws;

  it('keeps records and other events in order, however slowly they are read', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        got.length = 0;
        let said = 0;
        for (const { does, size } of steps) {
          if (does === 'record') write(++said, 'x'.repeat(size));
          else if (does === 'event') socket.emit('other', ++said, 'x'.repeat(size));
          else if (does === 'pause') clientSide().pause();
          else if (does === 'turn') await new Promise(setImmediate);
          else for (let more = 0; more < 20; more++) write(++said, PIECE);
        }
        clientSide().resume();
        await until(() => got.length >= said);
        expect(got).toEqual(Array.from({ length: said }, (_, at) => at + 1));
        await until(() => gate.isEmpty);
        expect(gate.isOpen).toBe(true);
      }),
      { numRuns: 40 },
    );
    expect(cuts).toBe(0);
  });

  it.each([1024, BUFFER_BYTES])(
    'of %i bytes is shut while it holds more, and opens when that has left',
    async (bufferBytes) => {
      let opened = 0;
      gate.close();
      gate = gateOf(socket, bufferBytes, () => opened++);
      clientSide().pause();
      let said = 0;
      while (gate.isOpen && said < FLOOD) {
        write(++said, PIECE);
        if (gate.isOpen) expect(held()).toBeLessThanOrEqual(bufferBytes);
        await new Promise(setImmediate);
      }
      expect(gate.isOpen).toBe(false);
      expect(gate.isEmpty).toBe(false);
      // Two records more than it may hold: what the kernel has begun to take counts until it has all of it.
      expect(held()).toBeLessThan(bufferBytes + 2 * Buffer.byteLength(PIECE));
      const before = opened;
      clientSide().resume();
      await until(() => got.length === said);
      await until(() => gate.isOpen && gate.isEmpty);
      expect(opened).toBe(before + 1);
    },
  );

  it('lets nothing follow its goodbye', () => {
    const { socket: webSocket } = socket.conn.transport as WebSocketTransport;
    socket.conn.close();
    const before = webSocket?._socket.bytesWritten;
    write(1, 'x');
    expect(webSocket?._socket.bytesWritten).toBe(before);
  });

  it('tells of a record that has left, and of none that a cut connection has lost', async () => {
    let taken = 0;
    const { socket: webSocket } = socket.conn.transport as WebSocketTransport;
    write(1, 'x', () => taken++);
    await until(() => taken === 1);
    clientSide().pause();
    let said = 1;
    const closed = once(socket.conn, 'close');
    // As long as the kernel takes all, each goes straight.
    while (held() === 0 && said < FLOOD) {
      write(++said, PIECE, () => taken++);
      await new Promise(setImmediate);
    }
    const before = taken;
    expect(before).toBeLessThan(said);
    webSocket?.terminate();
    await closed;
    await new Promise(setImmediate);
    expect(taken).toBe(before);
  });

  it.each([[['polling']], [['polling', 'websocket']]])(
    'counts what waited before it for a client that begins with polling: %j',
    async (transports) => {
      let opened = 0;
      let isConnected = false;
      gate.close();
      client.close();
      server.of('/events').once('connection', (other: Socket) => {
        gate = gateOf(other, BUFFER_BYTES, () => opened++);
        for (let more = 0; more < 8; more++) other.emit('other', more);
        isConnected = true;
      });
      client = io(`${url(http)}/events`, { transports, forceNew: true });
      await until(() => client.io.engine?.transport.name === transports.at(-1));
      await until(() => isConnected && gate.isEmpty && gate.isOpen, 2_000);
      expect(opened).toBe(1);
    },
  );
});
