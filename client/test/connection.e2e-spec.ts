import { execFile } from 'node:child_process';
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { jest } from '@jest/globals';
import { Server as SocketServer } from 'socket.io';
import { Socket } from 'socket.io-client';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { freePort } from '../../test/support/free-port.js';
import { SECRET, tokenOf } from '../../test/support/credentials.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { until } from '../../test/support/until.js';
import { type Cast, connect, type Connection, type ConnectOptions } from '../src/index.js';

const run = promisify(execFile);
const messages = [{ role: 'user' as const, content: 'Why is the sky blue?' }];
const socket = { reconnectionDelay: 5, reconnectionDelayMax: 50 };

describe('the connection of a client', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let casts: Cast[] = [];
  let warnings: string[];

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url });
  });
  beforeEach(() => {
    warnings = [];
    jest.spyOn(console, 'warn').mockImplementation((text: string) => void warnings.push(text));
  });
  afterEach(() => {
    for (const cast of casts) cast.close();
    casts = [];
    jest.restoreAllMocks();
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  const open = (url: string, options: ConnectOptions = {}): Cast => {
    const cast = connect(url, { socket, ...options });
    casts.push(cast);
    return cast;
  };
  const statesOf = (cast: Cast): Connection['state'][] => {
    const states = [cast.connection.state];
    cast.subscribe(({ state }) => {
      if (states.at(-1) !== state) states.push(state);
    });
    return states;
  };
  const addressOf = (server: Server): string =>
    `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  it('is not made before something is asked', async () => {
    let connections = 0;
    const server = createServer((end) => {
      connections++;
      end.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const cast = open(addressOf(server), { onGeneration: () => undefined });
      expect(cast.connected).toBe(false);
      await sleep(200);
      expect([connections, cast.connection.state]).toEqual([0, 'idle']);
      cast.open();
      await until(() => connections > 0);
      expect(cast.connection.state).toBe('connecting');
    } finally {
      server.close();
    }
  });

  it('holds up no process that only imports a module which calls connect', async () => {
    const client = new URL('../dist/index.js', import.meta.url).href;
    const code = `import { connect } from ${JSON.stringify(client)};
      export const cast = connect('http://127.0.0.1:1', { onGeneration() {} });
      console.log(cast.connection.state, cast.connected);`;
    const args = ['--input-type=module', '--eval', code];
    const { stdout, stderr } = await run(process.execPath, args, { timeout: 60_000 });
    expect([stdout, stderr]).toEqual(['idle false\n', '']);
  });

  it('that is closed before its token is there holds up no process until that token ends', async () => {
    const client = new URL('../dist/index.js', import.meta.url).href;
    const now = Math.floor(Date.now() / 1000);
    const claims = Buffer.from(JSON.stringify({ iat: now, exp: now + 900 })).toString('base64url');
    const code = `import { connect } from ${JSON.stringify(client)};
      const cast = connect(${JSON.stringify(app.socketUrl)}, {
        async token() {
          cast.close();
          await new Promise((resolve) => setTimeout(resolve, 50));
          console.log('late');
          return 'e30.${claims}.x';
        },
      });
      cast.open();`;
    const args = ['--input-type=module', '--eval', code];
    const { stdout, stderr } = await run(process.execPath, args, { timeout: 60_000 });
    expect([stdout, stderr]).toEqual(['late\n', '']);
  });

  it('that is closed holds up no process until it would have asked again', async () => {
    const client = new URL('../dist/index.js', import.meta.url).href;
    const narrow = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      MAX_CONCURRENT: 2,
      JWT_SECRET: SECRET,
      LIMIT_JOINS_PER_10S: 1,
    });
    const code = `import { connect } from ${JSON.stringify(client)};
      const open = () =>
        connect(${JSON.stringify(narrow.socketUrl)}, { token: async () => '${await tokenOf('ada')}' });
      const asking = open();
      const streams = ['one', 'two'].map((prompt) => asking.generate({ prompt }));
      while (streams.some(({ generationId }) => generationId === undefined)) {
        await new Promise(setImmediate);
      }
      const cast = open();
      const results = streams.map(({ generationId }) => cast.join(generationId).result);
      // Two joins are one more than it may, and it has been told so two round trips later.
      await cast.cancel('A'.repeat(22)).catch(({ code }) => console.log(code));
      await cast.cancel('B'.repeat(22)).catch(({ code }) => console.log(code));
      cast.close();
      for (const result of results) await result.catch(({ code }) => console.log(code));
      asking.close();
      const has = (resource) => process.getActiveResourcesInfo().includes(resource);
      while (has('TCPSocketWrap')) await new Promise(setImmediate);
      console.log(has('Timeout'));`;
    const args = ['--input-type=module', '--eval', code];
    try {
      const { stdout, stderr } = await run(process.execPath, args, { timeout: 60_000 });
      expect([stdout.split('\n'), stderr]).toEqual([
        ['generation_not_found', 'generation_not_found', 'closed', 'closed', 'false', ''],
        '',
      ]);
    } finally {
      for (let at = 0; at < 2; at++) (await upstream.nextCall()).done();
      await narrow.close();
    }
  });

  it('that is refused for now again and again listens to no more than one that was not', async () => {
    let asked = 0;
    const http = createHttpServer();
    const error = { code: 'unavailable', message: 'Later.', retryable: true, retryAfterMs: 1 };
    const server = new SocketServer(http);
    server.of('/events').on('connection', (client) => {
      client.on('join', (_, answer: (refused: object) => void) => {
        asked++;
        answer({ ok: false, error });
      });
    });
    await new Promise<void>((listening) => void http.listen(0, '127.0.0.1', listening));
    const connecting = jest.spyOn(Socket.prototype, 'connect');
    try {
      open(`http://127.0.0.1:${(http.address() as AddressInfo).port}`).join('A'.repeat(22));
      await until(() => asked > 20);
      const [link] = connecting.mock.contexts as [Socket];
      // What it always listens to, and what ends the attempt that waits.
      expect(link.listeners('disconnect').length).toBeLessThanOrEqual(2);
    } finally {
      connecting.mockRestore();
      await server.close();
    }
  });

  it('is told of: idle, connecting, up, down, up, closed', async () => {
    const port = await freePort();
    let server = await startApp({ OLLAMA_BASE_URL: upstream.url, SOCKET_PORT: port });
    const cast = open(server.socketUrl);
    const states = statesOf(cast);
    await until(() => cast.connected);
    await server.close();
    await until(() => states.at(-1) === 'down' && cast.connection.error !== undefined);
    expect(cast.connection.error).toMatchObject({ code: 'unreachable', retryable: true });
    server = await startApp({ OLLAMA_BASE_URL: upstream.url, SOCKET_PORT: port });
    await until(() => cast.connected);
    expect(cast.connection).toEqual({ state: 'up', error: undefined });
    cast.close();
    await server.close();
    expect(states).toEqual(['idle', 'connecting', 'up', 'down', 'up', 'closed']);
    expect(warnings).toEqual([]);
  });

  it('to an address where nobody listens says why it is not there, and warns once', async () => {
    const cast = open('http://127.0.0.1:1');
    let failures = 0;
    cast.subscribe(({ error }) => error !== undefined && failures++);
    await until(() => failures > 2);
    expect(cast.connection).toMatchObject({
      state: 'connecting',
      error: {
        name: 'CastError',
        code: 'unreachable',
        message: expect.stringContaining('http://127.0.0.1:1'),
        retryable: true,
      },
    });
    expect(warnings).toEqual([expect.stringMatching(/http:\/\/127\.0\.0\.1:1.*SOCKET_PORT/)]);
  });

  it.each([['polling'], ['websocket']])(
    'to the port of REST is no connection either (%s)',
    async (transport) => {
      const cast = open(app.url, { socket: { ...socket, transports: [transport] } });
      cast.open();
      await until(() => cast.connection.error !== undefined);
      expect(cast.connection.error).toMatchObject({ code: 'unreachable' });
      expect(warnings).toHaveLength(1);
    },
  );

  it('that the server forbids this page is told with its words', async () => {
    const extraHeaders = { origin: 'https://evil.example' };
    const cast = open(app.socketUrl, { socket: { ...socket, extraHeaders } });
    cast.open();
    await until(() => cast.connection.error !== undefined);
    expect(cast.connection.error).toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('HTTP 403, forbidden'),
    });
  });

  it('says what a proxy answers in place of the server', async () => {
    const proxy = createHttpServer((_request, response) =>
      response.writeHead(502).end('<html>Bad Gateway'),
    );
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const cast = open(addressOf(proxy));
    cast.open();
    await until(() => cast.connection.error !== undefined);
    expect(cast.connection.error?.message).toBe(`No connection to ${addressOf(proxy)}: HTTP 502.`);
    proxy.closeAllConnections();
    proxy.close();
  });

  it('that is refused is tried again with the next request', async () => {
    const cast = open(app.socketUrl, { auth: { userId: '' } });
    const states = statesOf(cast);
    await until(() => states.at(-1) === 'refused');
    expect(cast.connection.error).toMatchObject({ code: 'invalid_request' });
    await expect(cast.chat({ messages }).result).rejects.toMatchObject({ code: 'invalid_request' });
    expect(states).toEqual(['idle', 'connecting', 'refused', 'connecting', 'refused']);
  });

  it('fails what was asked when the first one does not come in time', async () => {
    const cast = open('http://127.0.0.1:1', { connectTimeoutMs: 300 });
    const unreachable = expect.objectContaining({ code: 'unreachable', retryable: true });
    const stream = cast.chat({ messages });
    await expect(stream.result).rejects.toEqual(unreachable);
    await expect(cast.cancel('k3JvX0d1Qm6c7Tq2Zr9s_A')).rejects.toEqual(unreachable);
    expect(stream.view.error?.message).toContain('http://127.0.0.1:1');
  });

  it('keeps what was being read in the list, where it was only not reached', async () => {
    const items = new Map([
      ['llm-cast http://127.0.0.1:1', '[{"generationId":"k3JvX0d1Qm6c7Tq2Zr9s_A","seq":7}]'],
    ]);
    const storage = {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
    };
    const cast = open('http://127.0.0.1:1', { storage, connectTimeoutMs: 100 });
    const { generationId } = cast.unfinished()[0]!;
    await expect(cast.join(generationId).result).rejects.toMatchObject({ code: 'unreachable' });
    expect(cast.unfinished()).toHaveLength(1);
  });

  it('waits after it was up as long as it takes', async () => {
    const port = await freePort();
    let server = await startApp({ OLLAMA_BASE_URL: upstream.url, SOCKET_PORT: port });
    const cast = open(server.socketUrl, { connectTimeoutMs: 50 });
    cast.open();
    await until(() => cast.connected);
    await server.close();
    const stream = cast.chat({ messages });
    await sleep(200);
    expect(stream.state).toBe('connecting');
    server = await startApp({ OLLAMA_BASE_URL: upstream.url, SOCKET_PORT: port });
    (await upstream.nextCall()).text('at last').done();
    await stream.result;
    expect(stream.text).toBe('at last');
    await server.close();
  });

  it('is made when the clientId is looked for', async () => {
    const cast = open(app.socketUrl);
    await until(() => cast.clientId !== undefined);
    expect(cast.connection.state).toBe('up');
  });

  it.each(['localhost:4321', 'example.com', 'ftp://example.com', 'file:///index.html'])(
    'is refused at once to %s, which is no address',
    (url) => {
      expect(() => connect(url)).toThrow(TypeError);
      expect(() => connect(url)).toThrow(url);
    },
  );

  it('goes to a server below a path', async () => {
    const port = Number(new URL(app.socketUrl).port);
    const asked: string[] = [];
    // As nginx does with `location /llm-cast/ { proxy_pass http://…/; }`.
    const proxy = createHttpServer((request, response) => {
      const { method, headers, url = '' } = request;
      asked.push(url);
      const path = url.replace('/llm-cast', '');
      const forwarded = httpRequest(
        { port, host: '127.0.0.1', path, method, headers },
        (answer) => {
          response.writeHead(answer.statusCode ?? 0, answer.headers);
          answer.pipe(response);
        },
      );
      forwarded.on('error', () => response.destroy());
      request.pipe(forwarded);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const polling = { ...socket, transports: ['polling'] };
    const cast = open(`${addressOf(proxy)}/llm-cast/`, { socket: polling });
    const stream = cast.chat({ messages });
    (await upstream.nextCall()).text('below').done();
    await stream.result;
    expect(await cast.models()).toHaveLength(1);
    expect([...new Set(asked.map((url) => url.split('?')[0]))]).toEqual([
      '/llm-cast/socket.io/',
      '/llm-cast/llm/models',
    ]);
    cast.close();
    proxy.closeAllConnections();
    proxy.close();
  });

  it('needs one address for all: that of the socket lists the models too', async () => {
    const models = await open(app.socketUrl).models();
    expect(models).toEqual([expect.objectContaining({ name: 'llama3.2' })]);
    // As REST answers it, with its checks, and nothing else of REST.
    const foreign = await fetch(`${app.socketUrl}/llm/models`, {
      headers: { origin: 'https://evil.example' },
    });
    expect([foreign.status, (await foreign.json()).code]).toEqual([403, 'forbidden']);
    const page = await fetch(`${app.socketUrl}/llm/models`, {
      headers: { origin: 'http://localhost:3000' },
    });
    expect(page.headers.get('access-control-allow-origin')).toBe('http://localhost:3000');
    for (const path of ['/', '/llm/queue', '/docs', '/llm/models/pull', '/page.json']) {
      expect((await fetch(app.socketUrl + path)).status).toBe(404);
    }
  });
});
