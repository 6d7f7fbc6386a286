import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { freePort } from './support/free-port.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

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
