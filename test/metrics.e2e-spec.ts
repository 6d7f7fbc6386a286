import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { bearer, KeysFile } from './support/credentials.js';
import { freePort } from './support/free-port.js';
import { describeIf } from './support/needs.js';
import { NO_PROMETHEUS, Prometheus, PROMETHEUS } from './support/prometheus.js';
import { call } from './support/rest.js';
import { Scrape } from './support/scrape.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { PATIENCE_MS, until, within } from './support/until.js';

const PIECE = 131_072;

describe('GET /metrics', () => {
  const servers: RunningServer[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
  });
  const start = async (env: Record<string, string | number>): Promise<RunningServer> => {
    const server = await startApp(env);
    servers.push(server);
    return server;
  };

  it('is not there unless it is asked for', async () => {
    const { url } = await start({});
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'not_found' });
  });

  it('is for whoever sits at the machine, but not for those behind a proxy', async () => {
    const { url } = await start({ METRICS: 'true' });
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const proxied = await fetch(`${url}/metrics`, { headers: { 'x-forwarded-for': '192.0.2.1' } });
    expect(await proxied.json()).toMatchObject({ statusCode: 403, code: 'forbidden' });
  });

  it('is for callers with the scope admin, where callers have credentials', async () => {
    const keys = new KeysFile();
    const [admin, other] = [['admin'], ['start', 'read']].map((scopes, at) =>
      keys.add(`key${at}`, { scopes }),
    );
    const { url } = await start({ METRICS: 'true', API_KEYS_FILE: keys.path });
    const status = async (key?: string): Promise<number> =>
      (await fetch(`${url}/metrics`, { headers: key === undefined ? {} : bearer(key) })).status;
    expect([await status(admin), await status(other), await status()]).toEqual([200, 403, 401]);
  });

  it('has a port of its own where that is asked for, and is nowhere else then', async () => {
    const port = await freePort();
    const { url } = await start({ METRICS_PORT: port });
    const own = `http://127.0.0.1:${port}`;
    expect((await Scrape.of(own)).sum('llm_cast_log_bytes')).toBe(0);
    expect((await fetch(`${own}/health/live`)).status).toBe(404);
    expect((await fetch(`${own}/metrics`, { method: 'POST' })).status).toBe(404);
    expect((await fetch(`${url}/metrics`)).status).toBe(404);
  });

  it('on a port of its own takes MAX_CONNECTIONS connections at most, as the other ports do', async () => {
    const port = await freePort();
    await start({ METRICS_PORT: port, MAX_CONNECTIONS: 2 });
    const idle = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
    try {
      for (const socket of idle) await once(socket, 'connect');
      const third = connect(port, '127.0.0.1').on('error', () => undefined);
      await within(PATIENCE_MS, once(third, 'close'));
    } finally {
      for (const socket of idle) socket.destroy();
    }
  });

  it.each([
    ['127.0.0.1', 'evil.example', 403],
    ['127.0.0.1', '192.0.2.1', 403],
    ['127.0.0.1', 'localhost', 200],
    ['127.0.0.1', '[::1]', 200],
    ['0.0.0.0', 'llm-cast', 200],
  ])('on a port of its own at %s answers to the name %s with %i', async (HOST, name, status) => {
    const port = await freePort();
    await start({
      METRICS_PORT: port,
      HOST,
      ...(HOST === '0.0.0.0' && { ALLOW_ANONYMOUS: 'true' }),
    });
    const asked = get({ port, path: '/metrics', headers: { host: `${name}:${port}` } });
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(status);
  });

  it('counts no record as delivered that the cut connection of a stream has lost', async () => {
    const upstream = await ScriptedUpstream.start();
    const { url } = await start({
      METRICS: 'true',
      OLLAMA_BASE_URL: upstream.url,
      SOCKET_BUFFER_BYTES: 67_108_864,
      MAX_OUTPUT_BYTES: 104_857_600,
    });
    const body = { prompt: 'why?', onDisconnect: 'keep' };
    const { generationId } = (await call('POST', `${url}/llm/generate`, body)).body;
    const answer = await upstream.nextCall();
    const reader = get(`${url}/llm/generations/${generationId}/events`);
    // Its client reads nothing more of it.
    const [response] = (await once(reader, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    try {
      const lag = async (): Promise<number> =>
        (await Scrape.of(url)).sum('llm_cast_delivery_lag_seconds_count');
      // At least one record in 32 is timed: the kernel has taken none of the last two.
      let before = 0;
      for (let still = 0, piece = 1; still < 64; still++, piece++) {
        answer.text('x'.repeat(PIECE));
        await until(async () => (await Scrape.of(url)).sum('llm_cast_log_bytes') > piece * PIECE);
        const now = await lag();
        if (now > before) [before, still] = [now, 0];
      }
      reader.destroy();
      await until(async () => (await Scrape.of(url)).sum('llm_cast_readers') === 0);
      expect(await lag()).toBe(before);
    } finally {
      reader.destroy();
      await upstream.close();
    }
  });

  describeIf(PROMETHEUS !== undefined, NO_PROMETHEUS)('scraped by Prometheus', () => {
    it('tells of an answer what its client and its upstream know of it', async () => {
      const upstream = await ScriptedUpstream.start();
      const server = await start({ METRICS: 'true', OLLAMA_BASE_URL: upstream.url });
      const prometheus = await Prometheus.start([new URL(server.url).host]);
      const client = await Client.connect(server.socketUrl);
      try {
        const { generationId } = await client.accepted('generate', { prompt: 'why?' });
        const call = await upstream.nextCall();
        for (const piece of ['The', ' sky', ' is', ' blue.']) call.text(piece);
        call.done();
        expect(await client.ended(generationId)).toMatchObject({ state: 'completed' });
        await prometheus.scraped();
        const answer = `{gen_ai_operation_name="text_completion",gen_ai_provider_name="ollama",gen_ai_request_model="llama3.2",gen_ai_response_model="llama3.2",error_type=""}`;
        expect(
          await Promise.all(
            [
              `gen_ai_server_request_duration_seconds_count${answer}`,
              `gen_ai_client_operation_duration_seconds_count${answer}`,
              `gen_ai_client_operation_time_per_output_chunk_seconds_count${answer}`,
              `gen_ai_client_token_usage_sum{gen_ai_token_type="input"}`,
              `gen_ai_client_token_usage_sum{gen_ai_token_type="output"}`,
              `llm_cast_generations_ended_total{state="completed",reason="stop"}`,
              `llm_cast_attempts_total{upstream="ollama",result="completed"}`,
              'llm_cast_delivery_lag_seconds_count{door="socket"}',
              'llm_cast_queue_wait_seconds_count',
              'llm_cast_sockets{transport="websocket"}',
              'llm_cast_slots{upstream="ollama",state="free"}',
            ].map((query) => prometheus.number(query)),
          ),
        ).toEqual([1, 1, 3, 11, 3, 1, 1, 1, 1, 1, 1]);
      } finally {
        client.close();
        await prometheus.close();
        await upstream.close();
      }
    });
  });
});
