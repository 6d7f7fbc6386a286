import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Client } from './support/client.js';
import { freePort } from './support/free-port.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

/** The built server as a process of its own, as an operator runs it. */
class ServerProcess {
  out = '';

  private constructor(readonly child: ChildProcess) {}

  static start(env: Record<string, string>): ServerProcess {
    const child = spawn(process.execPath, ['dist/main.js'], {
      env: { PATH: process.env['PATH'], PORT: '0', SOCKET_PORT: '0', DRAIN_MS: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const server = new ServerProcess(child);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (server.out += text));
    return server;
  }

  /** Resolves with what the pattern finds in the log. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    for (let waited = 0; waited < 10_000; waited += 20) {
      const found = pattern.exec(this.out);
      if (found !== null) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`the log does not say ${pattern}: ${this.out}`);
  }

  async addresses(): Promise<{ rest: string; sockets: string }> {
    const [, rest = '', sockets = ''] = await this.said(
      /REST on (http:\S+), Socket.IO on (http:\S+)\/events/,
    );
    return { rest, sockets };
  }

  get lines(): string[] {
    return this.out.trim().split('\n');
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}

/** Resolves when the answer is true; an error is an answer to wait for. */
async function until(ask: () => Promise<boolean>): Promise<void> {
  while (!(await ask().catch(() => false))) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('the log', () => {
  let upstream: ScriptedUpstream;
  let server: ServerProcess;

  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
  });
  afterEach(async () => {
    await server?.stop();
    await upstream?.close();
  });

  const start = (env: Record<string, string>): void => {
    server = ServerProcess.start({ OLLAMA_BASE_URL: upstream.url, ...env });
  };

  it('has one line a generation, with what an operator wants to know of it', async () => {
    start({ LOG_FORMAT: 'json' });
    const { rest, sockets } = await server.addresses();
    const client = await Client.connect(sockets);
    const { body } = await call(
      'POST',
      `${rest}/llm/generate`,
      { clientId: client.id, prompt: 'a secret prompt' },
      { 'x-request-id': 'my-request-7' },
    );
    (await upstream.nextCall()).text('a secret answer').done();
    await client.ended(body.generationId);
    await server.said(/generation ended/);
    const lines = server.lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((line) => JSON.stringify(line).includes(body.generationId as string));
    expect(lines).toEqual([
      {
        level: 'log',
        pid: server.child.pid,
        timestamp: expect.any(Number),
        message: 'generation ended',
        context: 'Generations',
        id: body.generationId,
        model: 'llama3.2',
        upstream: 'ollama',
        state: 'completed',
        promptTokens: 11,
        completionTokens: 3,
        queuedMs: expect.any(Number),
        firstTokenMs: expect.any(Number),
        totalMs: expect.any(Number),
        requestId: 'my-request-7',
      },
    ]);
    expect(server.out).not.toContain('secret');
    client.close();
  });

  it('says in one line at the start where the servers are', async () => {
    start({});
    await server.addresses();
    expect(server.lines).toHaveLength(1);
  });

  it('says nothing below LOG_LEVEL', async () => {
    const port = await freePort();
    start({ LOG_LEVEL: 'error', PORT: String(port) });
    const live = `http://127.0.0.1:${port}/health/live`;
    await until(async () => (await call('GET', live)).status === 200);
    expect(server.out).toBe('');
  });

  it('names the request in a refusal', async () => {
    start({});
    const { rest } = await server.addresses();
    const { body, headers } = await call('GET', `${rest}/nowhere`, undefined, {
      'x-request-id': 'not one\u00e9',
    });
    expect(body.requestId).toBe(headers.get('x-request-id'));
    expect(body.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('does not stop the server when nobody reads it, or when it is closed', async () => {
    start({ LOG_FORMAT: 'json' });
    const { rest, sockets } = await server.addresses();
    const client = await Client.connect(sockets);
    const ask = async (): Promise<void> => {
      const { body } = await call('POST', `${rest}/llm/generate`, {
        clientId: client.id,
        prompt: 'x',
      });
      (await upstream.nextCall()).done();
      await client.ended(body.generationId);
    };
    server.child.stdout?.pause();
    // More lines than a pipe holds (64 KiB).
    for (let at = 0; at < 300; at++) await ask();
    server.child.stdout?.destroy();
    for (let at = 0; at < 5; at++) await ask();
    expect((await call('GET', `${rest}/health/live`)).status).toBe(200);
    expect(server.child.exitCode).toBeNull();
    client.close();
  }, 20_000);
});
