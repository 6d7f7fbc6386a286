import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client } from './support/client.js';
import { freePort } from './support/free-port.js';
import { Program } from './support/program.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { until } from './support/until.js';

describe('the log', () => {
  let upstream: ScriptedUpstream;
  let server: Program;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
  });
  afterAll(() => upstream?.close());

  const start = (env: Record<string, string>): void => {
    server = Program.server({ OLLAMA_BASE_URL: upstream.url, DRAIN_MS: 0, ...env });
  };

  describe('of a server in JSON', () => {
    let url: string;
    let client: Client;

    beforeAll(async () => {
      start({ LOG_FORMAT: 'json' });
      const { url: rest, socketUrl } = await server.listening();
      url = rest;
      client = await Client.connect(socketUrl);
    });
    afterAll(async () => {
      client?.close();
      await server.kill();
    });

    it('has one line a generation, with what an operator wants to know of it', async () => {
      const { body } = await call(
        'POST',
        `${url}/llm/generate`,
        { clientId: client.id, prompt: 'a secret prompt' },
        { 'x-request-id': 'my-request-7' },
      );
      (await upstream.nextCall()).text('a secret answer').done();
      await client.ended(body.generationId);
      await server.said(/generation ended/);
      const lines = linesOf(server)
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
      expect(server.stdout).not.toContain('secret');
    });

    it('names the request in a refusal', async () => {
      const { body, headers } = await call('GET', `${url}/nowhere`, undefined, {
        'x-request-id': 'not one\u00e9',
      });
      expect(body.requestId).toBe(headers.get('x-request-id'));
      expect(body.requestId).toMatch(/^[0-9a-f-]{36}$/);
    });

    it('does not stop the server when nobody reads it, or when it is closed', async () => {
      const ask = async (): Promise<void> => {
        const { body } = await call('POST', `${url}/llm/generate`, {
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
      expect((await call('GET', `${url}/health/live`)).status).toBe(200);
      expect(server.child.exitCode).toBeNull();
    });
  });

  describe('of a server of its own', () => {
    afterEach(() => server.kill());

    it('is coloured on a terminal, unless NO_COLOR is set', async () => {
      const written = async (program: Program): Promise<string> => {
        server = program;
        await server.said(/chat page on/);
        await server.kill();
        return server.stdout;
      };
      const env = { PORT: 0, SOCKET_PORT: 0, OLLAMA_BASE_URL: upstream.url };
      expect(await written(Program.onTerminal('main.js', [], env))).toContain('\x1b[32m');
      expect(
        await written(Program.onTerminal('main.js', [], { ...env, NO_COLOR: 1 })),
      ).not.toContain('\x1b');
    });

    it('says at the start where the servers and the page are, and when it was, in UTC, and has no colours in a file', async () => {
      start({});
      await server.listening();
      await server.said(/chat page on .*\n/);
      expect(linesOf(server).slice(0, 2)).toEqual([
        expect.stringMatching(/\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\b.*REST on /),
        expect.stringMatching(/\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\b.*chat page on /),
      ]);
      expect(server.stdout).not.toContain('\x1b');
    });

    it('is JSON from its first line on, and says in it what is wrong with Redis', async () => {
      start({ LOG_FORMAT: 'json', REDIS_URL: 'redis://127.0.0.1:1' });
      await server.said(/chat page on .*\n/);
      const lines = linesOf(server).map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(lines).toContainEqual(
        expect.objectContaining({
          level: 'warn',
          message: 'Redis is in trouble',
          error: 'connect ECONNREFUSED 127.0.0.1:1',
        }),
      );
    });

    it('says in JSON what a collector of traces has against the spans', async () => {
      const collector = createServer((_request, response) => void response.writeHead(400).end());
      await once(collector.listen(0, '127.0.0.1'), 'listening');
      const { port } = collector.address() as AddressInfo;
      try {
        start({
          LOG_FORMAT: 'json',
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
          OTEL_BSP_SCHEDULE_DELAY: '10',
        });
        const { url } = await server.listening();
        const body = { prompt: 'why?', onDisconnect: 'keep' };
        expect((await call('POST', `${url}/llm/generate`, body)).status).toBe(201);
        (await upstream.nextCall()).done();
        const [line = ''] = await server.said(/.*spans are not delivered.*/);
        expect(JSON.parse(line)).toMatchObject({ error: expect.stringMatching(/Bad Request/) });
      } finally {
        collector.closeAllConnections();
        collector.close();
      }
    });

    it('says nothing below LOG_LEVEL', async () => {
      const port = await freePort();
      start({ LOG_LEVEL: 'error', PORT: String(port), REDIS_URL: 'redis://127.0.0.1:1' });
      const live = `http://127.0.0.1:${port}/health/live`;
      const ask = () => call('GET', live).then(({ status }) => status === 200);
      await until(() => ask().catch(() => false));
      expect(server.stdout).toBe('');
    });
  });
});

function linesOf({ stdout }: Program): string[] {
  return stdout.trim().split('\n');
}
