import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Client } from './support/client.js';
import { call } from './support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** The built server in a process of its own. */
class ServerProcess {
  /** What it wrote so far. */
  stdout = '';
  stderr = '';
  /** Resolves with the exit code; a signal that killed it counts as none. */
  readonly exited: Promise<number | null>;
  private readonly child: ChildProcess;

  /** @param env all of its environment: the developer's own must not change the outcome */
  constructor(env: Record<string, string | number>) {
    this.child = spawn(process.execPath, [MAIN], {
      // Away from a developer's `.env`.
      cwd: tmpdir(),
      env: Object.fromEntries(
        Object.entries({ PORT: 0, SOCKET_PORT: 0, NO_COLOR: 1, ...env }).map(([name, value]) => [
          name,
          String(value),
        ]),
      ),
    });
    this.child.stdout?.on('data', (bytes: Buffer) => (this.stdout += bytes.toString()));
    this.child.stderr?.on('data', (bytes: Buffer) => (this.stderr += bytes.toString()));
    this.exited = new Promise((resolve) => this.child.once('close', resolve));
  }

  /** Where it listens, by its own word. */
  async listening(): Promise<{ url: string; socketUrl: string }> {
    const said = /REST on (http:\S+), Socket\.IO on (http:\S+)\/events/;
    await waitFor(async () => said.test(this.stdout) || this.child.exitCode !== null);
    const [, url, socketUrl] = said.exec(this.stdout) ?? [];
    if (url === undefined || socketUrl === undefined) throw new Error(this.stdout + this.stderr);
    return { url, socketUrl };
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within 15 s: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('the server process', () => {
  let upstream: ScriptedUpstream;
  let server: ServerProcess | undefined;
  let client: Client | undefined;

  beforeAll(async () => {
    if (!existsSync(MAIN)) throw new Error('run `npm run build` first: this tests dist/main.js');
    upstream = await ScriptedUpstream.start();
  });
  afterEach(async () => {
    client?.close();
    server?.signal('SIGKILL');
    await server?.exited;
  });
  afterAll(() => upstream?.close());

  const boot = async (env: Record<string, string | number>): Promise<[string, Client]> => {
    server = new ServerProcess({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 2, ...env });
    const { url, socketUrl } = await server.listening();
    const connected = await Client.connect(socketUrl);
    connected.socket.on('disconnect', (payload) => {
      connected.log.push({ event: 'disconnect', payload });
    });
    client = connected;
    return [url, connected];
  };
  const start = async (client: Client): Promise<[id: string, request: UpstreamCall]> => {
    const ack = await client.ask('generate', { prompt: 'why is the sky blue?' });
    if (!ack.ok) throw new Error(ack.error.code);
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
    const [url, client] = await boot({ DRAIN_MS: 60_000, MAX_CONCURRENT: 1 });
    const [id, request] = await start(client);
    const waiting = await client.ask('generate', { prompt: 'me too' });
    expect(waiting).toMatchObject({ ok: true, state: 'queued' });
    expect((await call('GET', `${url}/health/ready`)).status).toBe(200);
    server!.signal('SIGTERM');

    await waitFor(async () => (await call('GET', `${url}/health/ready`)).status === 503);
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
  }, 30_000);

  it('interrupts after DRAIN_MS what still runs, and tells its reader before the socket closes', async () => {
    const [, client] = await boot({ DRAIN_MS: 300 });
    const running = [await start(client), await start(client)];
    const from = performance.now();
    server!.signal('SIGTERM');
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
  }, 30_000);

  it('ends at once at a second signal', async () => {
    const [url, client] = await boot({ DRAIN_MS: 60_000 });
    const [, request] = await start(client);
    server!.signal('SIGTERM');
    await waitFor(async () => (await call('GET', `${url}/health/ready`)).status === 503);
    server!.signal('SIGTERM');
    // 128 and the signal's number, as shells count.
    expect(await server!.exited).toBe(143);
    await request.closed;
  }, 30_000);

  it('ends at once on SIGINT when nothing runs', async () => {
    const [, client] = await boot({ DRAIN_MS: 60_000 });
    server!.signal('SIGINT');
    expect(await server!.exited).toBe(0);
    await client.until(() => !client.socket.connected);
  }, 30_000);

  it('does not start with a wrong setting, and says which and why', async () => {
    server = new ServerProcess({ PORT: 'http', DRAIN_MS: -1 });
    expect(await server.exited).toBe(1);
    expect(server.stderr.trim()).toBe(
      'llm-cast cannot start: PORT must be a whole number from 0 to 65535. ' +
        'DRAIN_MS must be a whole number from 0 to 86400000.',
    );
    expect(server.stdout).toBe('');
  }, 30_000);

  it.each(['PORT', 'SOCKET_PORT'])(
    'does not start when %s is taken, and says so',
    async (name) => {
      const { port } = new URL(upstream.url);
      server = new ServerProcess({ [name]: port });
      expect(await server.exited).toBe(1);
      // The framework's own line may stand before it, but no stack trace.
      expect(server.stderr.trim().split('\n').at(-1)).toMatch(
        new RegExp(`^llm-cast cannot listen on port ${port} .*EADDRINUSE`),
      );
      expect(server.stderr).not.toMatch(/^ +at /m);
    },
    30_000,
  );
});
