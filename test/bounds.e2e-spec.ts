import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { call } from './support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';
import { until } from './support/until.js';

const MIB = 1_048_576;

describe('a generation is bounded', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let client: Client;

  const boot = async (env: Record<string, string | number>): Promise<void> => {
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, ...env });
    client = await Client.connect(app.socketUrl);
  };
  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
  });
  afterEach(async () => {
    client?.close();
    await app?.close();
    await upstream?.close();
  });

  const start = async (fields: object = {}): Promise<{ id: string; request: UpstreamCall }> => {
    const ack = await client.accepted('generate', { prompt: 'why is the sky blue?', ...fields });
    return { id: ack.generationId, request: await upstream.nextCall() };
  };
  const view = (id: string) => call('GET', `${app.url}/llm/generations/${id}`);
  const chunk = (fields: object) => ({
    model: 'llama3.2',
    created_at: 'now',
    done: false,
    ...fields,
  });

  describe('in size', () => {
    beforeEach(() => boot({ MAX_OUTPUT_BYTES: 10 }));

    it('over MAX_OUTPUT_BYTES ends as output_too_large, the text kept and the upstream closed', async () => {
      const { id, request } = await start();
      // 5, 5 and 1 bytes of UTF-8, though 4, 4 and 1 characters.
      for (const piece of ['bléu', ' bél', '.']) request.text(piece);
      expect(await client.ended(id)).toMatchObject({
        seq: 3,
        state: 'failed',
        code: 'output_too_large',
        retryable: false,
        bytes: 10,
      });
      await request.closed;
      expect(client.text(id)).toBe('bléu bél');
      expect((await view(id)).body).toMatchObject({ text: 'bléu bél', code: 'output_too_large' });
    });

    it('of exactly MAX_OUTPUT_BYTES is whole', async () => {
      const { id, request } = await start();
      request.text('0123456789').done();
      expect(await client.ended(id)).toMatchObject({ state: 'completed', bytes: 10 });
    });

    it.each([
      ['thinking', { response: '', thinking: 'hmmmmmm' }],
      ['tool calls', { response: '', tool_calls: [{ function: { name: 'f', arguments: {} } }] }],
    ])('counts %s', async (_, fields) => {
      const { id, request } = await start();
      request.text('four').line(chunk(fields));
      expect(await client.ended(id)).toMatchObject({ code: 'output_too_large', bytes: 4 });
      await request.closed;
    });
  });

  it('in time: over GENERATION_TIMEOUT_MS ends as generation_timeout, with or without a first token', async () => {
    // Long enough for the first text, on a machine that stands still now and then.
    await boot({ GENERATION_TIMEOUT_MS: 2_000, MAX_CONCURRENT: 2 });
    const from = performance.now();
    const [silent, spoke] = [await start(), await start()];
    spoke.request.text('The sky');
    const timeout = { state: 'failed', code: 'generation_timeout' };
    expect(await client.ended(silent.id)).toMatchObject({ seq: 1, bytes: 0, ...timeout });
    expect(performance.now() - from).toBeGreaterThan(1_990);
    expect(await client.ended(spoke.id)).toMatchObject({
      seq: 2,
      bytes: 7,
      retryable: false,
      ...timeout,
    });
    await Promise.all([silent.request.closed, spoke.request.closed]);
    expect((await view(spoke.id)).body).toMatchObject({ text: 'The sky' });
  });

  describe('and all together by MAX_LOG_BYTES', () => {
    const text = 'x'.repeat(0.3 * MIB);
    const finish = async (): Promise<string> => {
      const { id, request } = await start();
      request.text(text).done();
      await client.ended(id);
      return id;
    };

    it('the oldest that have ended go first', async () => {
      await boot({ MAX_LOG_BYTES: MIB });
      const ids: string[] = [];
      for (let count = 0; count < 5; count++) ids.push(await finish());
      const statuses = await Promise.all(ids.map(async (id) => (await view(id)).status));
      expect(statuses).toEqual([404, 404, 200, 200, 200]);
      expect(await client.ask('join', { generationId: ids[0], after: 0 })).toMatchObject({
        ok: false,
        error: { code: 'generation_not_found' },
      });
    });

    it('one that runs stays, and when only such are left, new requests are queue_full', async () => {
      await boot({ MAX_LOG_BYTES: MIB, MAX_CONCURRENT: 2 });
      const ended = await finish();
      const { id, request } = await start();
      for (let count = 0; count < 4; count++) request.text(text);
      await client.until(() => client.text(id).length === 4 * text.length);
      expect((await view(ended)).status).toBe(404);
      expect((await view(id)).body).toMatchObject({ state: 'streaming' });
      const body = { clientId: client.id, prompt: 'one more' };
      expect(await call('POST', `${app.url}/llm/generate`, body)).toMatchObject({
        status: 503,
        body: { code: 'queue_full', retryable: true, retryAfterMs: expect.any(Number) },
      });
      expect(await client.ask('generate', { prompt: 'one more' })).toMatchObject({
        ok: false,
        error: { code: 'queue_full' },
      });
      request.done();
      expect(await client.ended(id)).toMatchObject({ state: 'completed' });
      // It has made room for itself by going.
      await finish();
      expect(upstream.calls).toHaveLength(3);
    });

    it('a socket that joined at the end holds nothing of what is gone', async () => {
      const RETAIN_MS = 400;
      await boot({ RETAIN_MS, MAX_LINE_BYTES: 16 * MIB });
      const reader = await Client.connect(app.socketUrl);
      client.socket.off('streamData');
      try {
        const write = async (at: number): Promise<void> => {
          const { id, request } = await start({ prompt: String(at) });
          request.text(String(at % 10).repeat(2 * MIB)).done();
          await client.until(() =>
            client.states.some((told) => told.generationId === id && told.state === 'completed'),
          );
          const ack = await reader.ask('join', { generationId: id, after: 3 });
          expect(ack).toMatchObject({ ok: true, seq: 3 });
          // Each look before would bring all of the text.
          await sleep(RETAIN_MS);
          await until(async () => (await view(id)).status === 404);
        };
        await write(0);
        const before = used();
        for (let at = 1; at <= 10; at++) await write(at);
        // On a busy machine the last of it goes a little later.
        await until(() => used() - before < 20 * MIB);
      } finally {
        reader.close();
      }
    });

    it.each([
      ['what had to go is no longer in memory', false],
      ['neither is what a remembered idempotency key stands for', true],
    ])('%s', async (_, withKey) => {
      await boot({ MAX_LOG_BYTES: MIB, MAX_LINE_BYTES: 16 * MIB });
      const write = async (at: number): Promise<void> => {
        const { body } = await call(
          'POST',
          `${app.url}/llm/generate`,
          { prompt: 'much', onDisconnect: 'keep' },
          withKey ? { 'Idempotency-Key': String(at) } : {},
        );
        const request = await upstream.nextCall();
        request.text(String(at % 10).repeat(2 * MIB)).done();
        // Over the bound with its first chunk, so it is gone with its end.
        await until(async () => (await view(body.generationId)).status === 404);
      };
      await write(0);
      const before = used();
      for (let at = 1; at <= 20; at++) await write(at);
      // 40 MiB were written; what had to go stays reachable if this grows by anything like it.
      await until(() => used() - before < 25 * MIB);
    });
  });
});

/** Bytes that are reachable. */
function used(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
