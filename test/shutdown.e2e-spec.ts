import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Client } from './support/client.js';
import { Program } from './support/program.js';
import { call } from './support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';
import { until, within } from './support/until.js';

describe('the server process', () => {
  let upstream: ScriptedUpstream;
  let server: Program | undefined;
  let client: Client | undefined;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
  });
  afterEach(async () => {
    client?.close();
    await server?.kill();
  });
  afterAll(() => upstream?.close());

  const boot = async (env: Record<string, string | number>): Promise<[string, Client]> => {
    server = Program.server({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 2, ...env });
    const { url, socketUrl } = await server.listening();
    const connected = await Client.connect(socketUrl);
    connected.socket.on('disconnect', (payload) => {
      connected.log.push({ event: 'disconnect', payload });
    });
    client = connected;
    return [url, connected];
  };
  const start = async (client: Client): Promise<[id: string, request: UpstreamCall]> => {
    const ack = await client.accepted('generate', { prompt: 'why is the sky blue?' });
    const request = await upstream.nextCall();
    request.text('The sky');
    await client.until(() => client.text(ack.generationId) === 'The sky');
    return [ack.generationId, request];
  };
  const terminals = ({ log }: Client): unknown[] =>
    log
      .filter(({ event }) => event === 'streamData' || event === 'disconnect')
      .flatMap(({ event, payload }) =>
        event === 'disconnect' ? event : 'state' in (payload as object) ? payload : [],
      );

  it('takes nothing new after SIGTERM, sends the line home, and is gone when what ran has ended', async () => {
    // Longer than the test may take: only the end of the generation ends the wait.
    const [url, client] = await boot({ DRAIN_MS: 600_000, MAX_CONCURRENT: 1 });
    const [id, request] = await start(client);
    const waiting = await client.ask('generate', { prompt: 'me too' });
    expect(waiting).toMatchObject({ ok: true, state: 'queued' });
    expect((await call('GET', `${url}/health/ready`)).status).toBe(200);
    server!.child.kill('SIGTERM');

    await until(async () => (await call('GET', `${url}/health/ready`)).status === 503);
    expect((await call('GET', `${url}/health/live`)).status).toBe(200);
    const refusal = { code: 'shutting_down', retryable: true };
    const body = { clientId: client.id, prompt: 'too late' };
    expect(await call('POST', `${url}/llm/generate`, body)).toMatchObject({
      status: 503,
      body: { statusCode: 503, ...refusal },
    });
    expect(await client.ask('generate', { prompt: 'too late' })).toMatchObject({
      ok: false,
      error: refusal,
    });
    // Who waits has lost nothing and need not wait any longer.
    await client.until(() => terminals(client).length > 0);
    expect(upstream.open).toBe(1);

    request.text(' is blue').done();
    expect(await server!.exited).toBe(0);
    await client.until(() => !client.socket.connected);
    expect(client.text(id)).toBe('The sky is blue');
    expect(terminals(client)).toEqual([
      expect.objectContaining({ seq: 1, state: 'interrupted', retryable: true }),
      expect.objectContaining({ generationId: id, state: 'completed', bytes: 15 }),
      'disconnect',
    ]);
  });

  it('interrupts after DRAIN_MS what still runs, and tells its reader before the socket closes', async () => {
    const [, client] = await boot({ DRAIN_MS: 300 });
    const running = [await start(client), await start(client)];
    const from = performance.now();
    server!.child.kill('SIGTERM');
    expect(await server!.exited).toBe(0);
    expect(performance.now() - from).toBeGreaterThan(290);
    await client.until(() => !client.socket.connected);
    await Promise.all(running.map(([, request]) => request.closed));
    // Which of the two ends first is nobody's business.
    expect(terminals(client)).toEqual([expect.anything(), expect.anything(), 'disconnect']);
    for (const [generationId] of running) {
      expect(terminals(client)).toContainEqual(
        expect.objectContaining({
          generationId,
          error: 'Streaming error',
          state: 'interrupted',
          code: 'node_shutdown',
          // Somebody has read the beginning of it.
          retryable: false,
          bytes: 7,
        }),
      );
    }
  });

  it('ends at once at a second signal', async () => {
    const [url, client] = await boot({ DRAIN_MS: 600_000 });
    const [, request] = await start(client);
    server!.child.kill('SIGTERM');
    await until(async () => (await call('GET', `${url}/health/ready`)).status === 503);
    server!.child.kill('SIGTERM');
    // 128 and the signal's number, as shells count.
    expect(await server!.exited).toBe(143);
    await request.closed;
  });

  it('goes on after SIGHUP, also without a file to read anew, and ends at once on SIGINT when nothing runs', async () => {
    const [url, client] = await boot({ DRAIN_MS: 600_000 });
    server!.child.kill('SIGHUP');
    expect((await call('GET', `${url}/health/live`)).status).toBe(200);
    server!.child.kill('SIGINT');
    expect(await server!.exited).toBe(0);
    await client.until(() => !client.socket.connected);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('ends at %s while it starts: nothing drains yet', async (signal, code) => {
    // A Redis that takes the connection and says nothing.
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    try {
      server = Program.server({
        OLLAMA_BASE_URL: upstream.url,
        REDIS_URL: `redis://127.0.0.1:${port}`,
        DRAIN_MS: 600_000,
      });
      const [connection] = (await once(silent, 'connection')) as [Socket];
      server.child.kill(signal);
      expect(await within(10_000, server.exited)).toBe(code);
      connection.destroy();
    } finally {
      silent.close();
    }
  });

  it('is not held up by connections that ask for nothing', async () => {
    server = Program.server({ OLLAMA_BASE_URL: upstream.url });
    const { url, socketUrl } = await server.listening();
    // Browsers open such connections beforehand.
    const silent = [url, socketUrl].map((one) => {
      const { hostname, port } = new URL(one);
      return connect(Number(port), hostname);
    });
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    await call('GET', `${url}/health/live`);
    const hungUp = silent.map((socket) => once(socket, 'close'));
    server.child.kill('SIGTERM');
    expect(await within(5_000, server.exited)).toBe(0);
    await Promise.all(hungUp);
  });

  it('does not start with a wrong setting, and says which and why', async () => {
    server = Program.server({ PORT: 'http', DRAIN_MS: -1 });
    expect(await server.exited).toBe(1);
    expect(server.stderr.trim()).toBe(
      'llm-cast cannot start: PORT must be a whole number from 0 to 65535. ' +
        'DRAIN_MS must be a whole number from 0 to 86400000.',
    );
    expect(server.stdout).toBe('');
  });

  it('does not start on a HOST that is nowhere, and says so', async () => {
    server = Program.server({ HOST: 'nowhere.invalid', ALLOW_ANONYMOUS: 'true' });
    expect(await server.exited).toBe(1);
    expect(server.stderr.trim().split('\n').at(-1)).toMatch(
      /^llm-cast cannot listen on nowhere\.invalid \(E\w+\): see HOST\.$/,
    );
  });

  it.each(['PORT', 'SOCKET_PORT', 'METRICS_PORT'])(
    'does not start when %s is taken, and says so',
    async (name) => {
      const { port } = new URL(upstream.url);
      server = Program.server({ [name]: port });
      expect(await server.exited).toBe(1);
      // The framework's own line may stand before it, but no stack trace.
      expect(server.stderr.trim().split('\n').at(-1)).toMatch(
        new RegExp(`^llm-cast cannot listen on port ${port} .*EADDRINUSE.* ${name},`),
      );
      expect(server.stderr).not.toMatch(/^ +at /m);
    },
  );
});
