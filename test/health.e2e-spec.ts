import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

describe('health', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url });
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  const health = async (probe: 'live' | 'ready', at = app): Promise<[number, unknown]> => {
    const { status, body } = await call('GET', `${at.url}/health/${probe}`);
    return [status, body];
  };
  const LIVE = [200, { status: 'ok' }];
  const upstreams = (reachable: boolean) => [
    {
      name: 'ollama',
      reachable,
      circuit: reachable ? 'closed' : expect.stringMatching(/open|closed/),
    },
  ];
  const READY = [200, { status: 'ok', upstreams: upstreams(true) }];
  const NO_UPSTREAM = [503, { status: 'no_upstream', upstreams: upstreams(false) }];

  it('is ready with a working upstream, not without one, and again when it is back', async () => {
    expect(await health('ready')).toEqual(READY);
    expect(await health('live')).toEqual(LIVE);

    const port = Number(new URL(upstream.url).port);
    await upstream.close();
    expect(await health('ready')).toEqual(NO_UPSTREAM);
    // A restart of llm-cast would not mend its upstream.
    expect(await health('live')).toEqual(LIVE);

    upstream = await ScriptedUpstream.start(port);
    expect(await health('ready')).toEqual(READY);
  });

  it.each([
    ['live', 200],
    ['live/', 200],
    ['ready', 200],
    // Whatever is not a probe must say which name it asks for.
    ['stream', 403],
  ])('answers a probe that names no host, as those of HAProxy: %s', async (probe, status) => {
    const { hostname, port } = new URL(app.url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET /health/${probe} HTTP/1.0\r\n\r\n`);
    expect((await text(socket)).split('\r\n')[0]).toMatch(`HTTP/1.1 ${status} `);
  });

  it('is ready while a generation runs', async () => {
    const { body } = await call('POST', `${app.url}/llm/generate`, {
      prompt: 'x',
      onDisconnect: 'keep',
    });
    const request = await upstream.nextCall();
    expect(await health('ready')).toEqual(READY);
    request.done();
    await call('DELETE', `${app.url}/llm/generations/${body.generationId}`);
  });

  it.each([
    ['fails', 500, '{"error":"out of order"}'],
    ['is another kind of server', 404, 'not here'],
    ['says something else', 200, '{"hello":"world"}'],
  ])('is not ready with an upstream that %s', async (_what, status, body) => {
    const other = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const server = await startApp({ OLLAMA_BASE_URL: `http://127.0.0.1:${port}` });
    try {
      expect(await health('ready', server)).toEqual(NO_UPSTREAM);
      expect(await health('live', server)).toEqual(LIVE);
    } finally {
      await server.close();
      other.closeAllConnections();
      other.close();
    }
  });
});
