import { once } from 'node:events';
import { request } from 'node:http';
import { io, Manager } from 'socket.io-client';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { until } from './support/until.js';

describe('a client that does not speak as this server does', () => {
  let app: RunningServer;
  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app?.close());

  describe.each(['polling', 'websocket'])('over %s', (transport) => {
    it('and connects to the namespace "/" is told where to connect, and is closed', async () => {
      const socket = io(app.socketUrl, { transports: [transport], reconnection: false });
      const [refused] = (await once(socket as never, 'connect_error')) as [
        Error & { data: unknown },
      ];
      expect(refused.message).toMatch(/connect to the namespace "\/events"/);
      expect(refused.data).toMatchObject({ code: 'not_found', retryable: false });
      await until(() => socket.io.engine.readyState === 'closed');
    });

    it('but asks for /events on the same connection too, keeps it', async () => {
      const manager = new Manager(app.socketUrl, { transports: [transport] });
      const wrong = manager.socket('/');
      const right = manager.socket('/events');
      await Promise.all([once(wrong as never, 'connect_error'), once(right as never, 'connect')]);
      const ends: string[] = [];
      right.on('disconnect', (reason) => ends.push(reason));
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      expect([right.connected, ends]).toEqual([true, []]);
      right.disconnect();
    });
  });

  it('and goes on in the namespace "/" is closed by the server', async () => {
    const url = `${app.socketUrl}/socket.io/?EIO=4&transport=polling`;
    const [, sid] = /"sid":"([^"]+)"/.exec(await (await fetch(url)).text()) ?? [];
    const session = `${url}&sid=${sid}`;
    expect((await fetch(session, { method: 'POST', body: '40' })).status).toBe(200);
    expect(await (await fetch(session)).text()).toMatch(/^44\{"message":"Nothing answers in/);
    // engine.io's close packet, or the session is gone already.
    expect(await (await fetch(session)).text()).toMatch(/^1$|unknown/i);
    await until(async () => (await fetch(session)).status === 400);
  });

  it.each([
    ['EIO=3', 'polling'],
    ['EIO=2', 'polling'],
    ['t=1', 'polling'],
    ['EIO=5', 'polling'],
    ['EIO=3', 'websocket'],
  ])('(%s, %s) is told which versions do', async (query, transport) => {
    const url = `${app.socketUrl}/socket.io/?${query}&transport=${transport}`;
    const headers = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    };
    const { status, body } = await new Promise<{ status?: number; body: string }>((resolve) => {
      request(url, transport === 'websocket' ? { headers } : {}, (answer) => {
        let body = '';
        answer.setEncoding('utf8').on('data', (text: string) => (body += text));
        answer.on('close', () => resolve({ status: answer.statusCode, body }));
      }).end();
    });
    // Engine.IO has a code of its own for it, which it can tell over polling only.
    if (transport === 'polling') expect(JSON.parse(body)).toMatchObject({ code: 5 });
    expect(status).toBe(400);
    expect(body).toMatch(/speaks Socket\.IO 3 and 4 \(Engine\.IO protocol 4, EIO=4\)/);
  });
});
