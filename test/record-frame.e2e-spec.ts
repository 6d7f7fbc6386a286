import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from './support/client.js';
import { FaultProxy } from './support/fault-proxy.js';
import { Stage } from './support/stage.js';

/** Where the length of a WebSocket frame takes one, three and nine bytes (RFC 6455, section 5.2). */
const PIECES = ['x', 'blué 😀 天', 'é'.repeat(300), 'x'.repeat(65_400), '天空'.repeat(20_000), '.'];

describe('a record is the same text', () => {
  let stage: Stage;

  beforeAll(async () => {
    // So much at once would otherwise come merged.
    stage = await Stage.open({ SOCKET_BUFFER_BYTES: 10_000_000, MAX_CONCURRENT: 4 });
  });
  afterEach(() => stage.hangUp());
  afterAll(() => stage?.close());

  const transportOf = (client: Client): string => client.socket.io.engine.transport.name;

  it.each([['websocket'], ['polling']])('over %s, whatever its size', async (transport) => {
    const client = await Client.connect(stage.app.socketUrl, { transports: [transport] });
    try {
      const { id, request } = await stage.generate(client);
      for (const piece of PIECES) request.text(piece);
      request.done();
      const { sha256 } = await client.ended(id);
      expect(client.of(id).filter((record) => 'response' in record && !record.done)).toEqual(
        PIECES.map((response, at) =>
          expect.objectContaining({ generationId: id, seq: at + 1, response }),
        ),
      );
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(transportOf(client)).toBe(transport);
    } finally {
      client.close();
    }
  });

  it('while the connection changes from polling to WebSocket', async () => {
    // On a slow way the change takes a while.
    const proxy = await FaultProxy.start(Number(new URL(stage.app.socketUrl).port));
    proxy.delayMs = 40;
    const client = await Client.connect(proxy.url);
    try {
      expect(transportOf(client)).toBe('polling');
      const { id, request } = await stage.generate(client);
      let sent = 0;
      const write = async (): Promise<void> => {
        request.text(` ${sent++}é😀`);
        await sleep(1);
      };
      while (transportOf(client) === 'polling') await write();
      for (let more = 0; more < 50; more++) await write();
      request.done();
      await client.ended(id);
      expect(client.text(id)).toBe(Array.from({ length: sent }, (_, at) => ` ${at}é😀`).join(''));
      expect(client.of(id).map(({ from, seq }) => from ?? seq)[0]).toBe(1);
    } finally {
      client.close();
      await proxy.close();
    }
  });

  it('for every reader of it, on whatever transport', async () => {
    const clients = await Promise.all(
      [['websocket'], ['polling'], ['websocket'], ['polling', 'websocket']].map((transports) =>
        Client.connect(stage.app.socketUrl, { transports }),
      ),
    );
    try {
      const { id, request } = await stage.generate(clients[0]!);
      for (const client of clients.slice(1)) {
        await client.accepted('join', { generationId: id, after: 0 });
      }
      for (let at = 0; at < 100; at++) {
        request.text(` ${at}天`);
        await sleep(1);
      }
      request.done();
      await Promise.all(clients.map((client) => client.ended(id)));
      const whole = Array.from({ length: 100 }, (_, at) => ` ${at}天`).join('');
      expect(clients.map((client) => client.text(id))).toEqual(clients.map(() => whole));
    } finally {
      for (const client of clients) client.close();
    }
  });
});
