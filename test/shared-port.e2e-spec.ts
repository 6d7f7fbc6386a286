import { connect } from 'node:net';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { freePort } from './support/free-port.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { until } from './support/until.js';

describe('one port for both servers', () => {
  it('serves REST and Socket.IO where SOCKET_PORT equals PORT, and closes both', async () => {
    const port = await freePort();
    const upstream = await ScriptedUpstream.start();
    const app = await startApp({ PORT: port, SOCKET_PORT: port, OLLAMA_BASE_URL: upstream.url });
    const client = await Client.connect(app.socketUrl);
    try {
      expect(app.socketUrl).toBe(app.url);
      const { body } = await call('POST', `${app.url}/llm/generate`, {
        clientId: client.id,
        prompt: 'hello',
      });
      (await upstream.nextCall()).text('hi').done();
      expect(await client.ended(body.generationId)).toMatchObject({ state: 'completed' });
    } finally {
      client.close();
      await app.close();
      await upstream.close();
    }
    await expect(call('GET', `${app.url}/health/live`)).rejects.toThrow();
  });

  it.each(['h2c', 'TLS/1.0', 'h2c, websocket'])(
    'answers a request that would rather go on in %s, and the next one on its connection',
    async (protocol) => {
      const port = await freePort();
      const app = await startApp({ PORT: port, SOCKET_PORT: port });
      const socket = connect(port, '127.0.0.1');
      let said = '';
      socket.setEncoding('latin1').on('data', (text: string) => (said += text));
      const statuses = (): string[] => said.match(/HTTP\/1\.1 \d+/g) ?? [];
      try {
        const body = '{"prompt":"hi"}';
        socket.write(
          'POST /llm/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
            `Content-Length: ${body.length}\r\nConnection: Upgrade, HTTP2-Settings\r\n` +
            `Upgrade: ${protocol}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n${body}`,
        );
        await until(() => said.includes('clientId'));
        socket.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
        await until(() => said.includes('"ok"'));
        expect(statuses()).toEqual(['HTTP/1.1 400', 'HTTP/1.1 200']);
      } finally {
        socket.destroy();
        await app.close();
      }
    },
  );

  it('below BASE_PATH answers an upgrade at the port that has no sockets', async () => {
    const app = await startApp({ BASE_PATH: '/chat' });
    const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
    let said = '';
    socket.setEncoding('latin1').on('data', (text: string) => (said += text));
    try {
      socket.write(
        'GET /chat/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n' +
          'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      await until(() => said.includes('"ok"'));
      expect(said).toMatch(/^HTTP\/1\.1 200 /);
    } finally {
      socket.destroy();
      await app.close();
    }
  });

  it('refuses a port that is taken, and leaves nothing open', async () => {
    const taken = await startApp();
    const port = await freePort();
    const socketPort = new URL(taken.socketUrl).port;
    await expect(startApp({ PORT: port, SOCKET_PORT: socketPort })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    await expect(call('GET', `http://127.0.0.1:${port}/health/live`)).rejects.toThrow();
    await taken.close();
  });
});
