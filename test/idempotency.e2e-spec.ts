import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { type Answer, call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

/** Long enough to ask again, on a machine that stands still now and then. */
const RETAIN_MS = 2_000;
const PROMPT = { prompt: 'why is the sky blue?' };

describe('an idempotency key', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let clients: Client[];
  let client: Client;

  const start = async (env: Record<string, string | number> = {}): Promise<void> => {
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, ...env });
    client = await connect();
  };
  beforeEach(async () => {
    clients = [];
    upstream = await ScriptedUpstream.start();
  });
  afterEach(async () => {
    for (const one of clients) one.close();
    await app?.close();
    await upstream?.close();
  });

  const connect = async (userId?: string): Promise<Client> => {
    const one = await Client.connect(app.socketUrl, {
      ...(userId !== undefined && { auth: { userId } }),
    });
    clients.push(one);
    return one;
  };
  const post = (key: string, body: object, endpoint = 'generate'): Promise<Answer> =>
    call('POST', `${app.url}/llm/${endpoint}`, body, { 'Idempotency-Key': key });
  const ask = async (one: Client, idempotencyKey: string, fields: object = PROMPT) => {
    const ack = await one.accepted('generate', { ...fields, idempotencyKey });
    return ack;
  };

  it('over REST starts one generation, and attaches the socket that asks again', async () => {
    await start();
    const first = await post('k', { clientId: client.id, ...PROMPT });
    expect(first).toMatchObject({ status: 201 });
    expect(first.body).not.toHaveProperty('deduplicated');
    const { generationId } = first.body;
    const request = await upstream.nextCall();
    request.text('The sky');
    await client.until(() => client.text(generationId) === 'The sky');
    client.close();

    // After a reconnect the socket has another id.
    const again = await connect();
    const second = await post('k', { clientId: again.id, ...PROMPT });
    expect(second).toMatchObject({
      status: 201,
      body: { generationId, clientId: again.id, state: 'streaming', deduplicated: true },
    });
    expect(second.headers.get('location')).toBe(`/llm/generations/${generationId}`);
    request.text(' is blue').done();
    expect(await again.ended(generationId)).toMatchObject({ state: 'completed', bytes: 15 });
    expect(again.text(generationId)).toBe('The sky is blue');
    expect(upstream.calls).toHaveLength(1);
  });

  it('over the socket does the same, on another socket, too', async () => {
    await start();
    const { generationId } = await ask(client, 'k');
    const other = await connect();
    expect(await ask(other, 'k')).toEqual({
      ok: true,
      generationId,
      state: 'starting',
      deduplicated: true,
    });
    (await upstream.nextCall()).text('once').done();
    for (const one of [client, other]) {
      await one.ended(generationId);
      expect(one.of(generationId).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    }
    expect(upstream.calls).toHaveLength(1);
  });

  it.each([
    ['generate', PROMPT],
    ['chat', { messages: [{ role: 'user', content: 'hi' }], options: { seed: 1, top_k: 2 } }],
  ])('is the same at both doors (%s)', async (endpoint, body) => {
    await start();
    const first = await post('k', { ...body, clientId: client.id }, endpoint);
    // The order of the fields does not matter.
    const turned = Object.fromEntries(Object.entries(body).toReversed());
    expect(await client.ask(endpoint, { idempotencyKey: 'k', ...turned })).toMatchObject({
      generationId: first.body.generationId,
      deduplicated: true,
    });
    expect(await post('k', { onDisconnect: 'keep', ...body }, endpoint)).toMatchObject({
      status: 409,
    });
    await upstream.nextCall();
    expect(upstream.calls).toHaveLength(1);
  });

  it('starts one pull, whoever asks again', async () => {
    await start({ ALLOW_PULL: 'true' });
    const pull = (one: Client, model = 'new:1b'): Promise<Answer> =>
      post('k', { clientId: one.id, model }, 'models/pull');
    const first = await pull(client);
    expect(first).toMatchObject({ status: 201 });
    expect(first.body).not.toHaveProperty('deduplicated');
    const { generationId } = first.body;
    const request = await upstream.nextCall();
    request.line({ status: 'pulling manifest' });

    const other = await connect();
    expect(await pull(other)).toMatchObject({
      status: 201,
      body: { generationId, clientId: other.id, deduplicated: true },
    });
    const conflict = { status: 409, body: { code: 'idempotency_conflict' } };
    expect(await pull(other, 'another:1b')).toMatchObject(conflict);
    expect(await post('k', { clientId: other.id, ...PROMPT })).toMatchObject(conflict);
    request.line({ status: 'success' }).end();
    for (const one of [client, other]) {
      expect(await one.ended(generationId)).toMatchObject({ finishReason: 'success' });
      expect(one.of(generationId).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    }
    expect(upstream.calls).toHaveLength(1);
  });

  it('that arrives many times at once starts one generation', async () => {
    await start();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        at % 2 === 0
          ? post('k', { clientId: client.id, ...PROMPT }).then(({ body }) => body)
          : ask(client, 'k'),
      ),
    );
    const { generationId } = answers[0];
    expect(new Set(answers.map((answer) => answer.generationId))).toEqual(new Set([generationId]));
    expect(answers.filter(({ deduplicated }) => deduplicated === true)).toHaveLength(19);
    (await upstream.nextCall()).text('once').done();
    await client.ended(generationId);
    await sleep(50);
    expect(upstream.calls).toHaveLength(1);
  });

  it('with another request is idempotency_conflict', async () => {
    await start();
    await ask(client, 'k');
    const conflict = { code: 'idempotency_conflict', retryable: false };
    for (const fields of [{ prompt: 'another' }, { ...PROMPT, options: { seed: 1 } }]) {
      expect(await post('k', { clientId: client.id, ...fields })).toMatchObject({
        status: 409,
        body: { statusCode: 409, ...conflict },
      });
      const ack = await client.ask('generate', { ...fields, idempotencyKey: 'k' });
      expect(ack).toMatchObject({ ok: false, error: conflict });
    }
    const messages = [{ role: 'user', content: PROMPT.prompt }];
    expect(await client.ask('chat', { messages, idempotencyKey: 'k' })).toMatchObject({
      ok: false,
      error: conflict,
    });
    await upstream.nextCall();
    expect(upstream.calls).toHaveLength(1);
  });

  it('of one user means nothing to another', async () => {
    await start({ MAX_CONCURRENT: 2 });
    const [ann, bob] = [await connect('ann'), await connect('bob')];
    const ofAnn = await ask(ann, 'k');
    const ofBob = await ask(bob, 'k', { prompt: 'mine' });
    expect(ofBob.generationId).not.toBe(ofAnn.generationId);
    expect(ofBob).not.toHaveProperty('deduplicated');
  });

  it('is found although there is no place for anything new', async () => {
    await start({ MAX_QUEUE: 0 });
    const { generationId } = await ask(client, 'k');
    expect(await client.ask('generate', PROMPT)).toMatchObject({ error: { code: 'queue_full' } });
    expect(await ask(client, 'k')).toMatchObject({ generationId, deduplicated: true });
    const [request] = [await upstream.nextCall()];
    request.text('one');
    await client.until(() => client.text(generationId).startsWith('one'));
  });

  it('is found while the server drains', async () => {
    await start({ DRAIN_MS: 10_000 });
    const { generationId } = await ask(client, 'k');
    const request = await upstream.nextCall();
    const closed = app.close();
    expect(await client.ask('generate', PROMPT)).toMatchObject({
      error: { code: 'shutting_down' },
    });
    expect(await ask(client, 'k')).toMatchObject({ generationId, deduplicated: true });
    request.text('last').done();
    expect(await client.ended(generationId)).toMatchObject({ state: 'completed' });
    await closed;
  });

  it('is remembered for RETAIN_MS after the end, then it starts anew', async () => {
    await start({ RETAIN_MS });
    const { generationId } = await ask(client, 'k');
    const request = await upstream.nextCall();
    // It ends later than this, however busy the machine is.
    const endedAt = performance.now();
    request.text('once').done();
    await client.ended(generationId);
    const later = await connect();
    expect(await ask(later, 'k')).toMatchObject({ state: 'completed', deduplicated: true });
    await later.ended(generationId);
    expect(later.text(generationId)).toBe('once');

    let next = await ask(later, 'k');
    while (next.generationId === generationId) {
      await sleep(20);
      next = await ask(later, 'k');
    }
    expect(performance.now() - endedAt).toBeGreaterThan(RETAIN_MS * 0.9);
    expect(next).not.toHaveProperty('deduplicated');
    await upstream.nextCall();
    expect(upstream.calls).toHaveLength(2);
  });

  it('is at no moment known without its generation', async () => {
    await start({ RETAIN_MS, MAX_CONCURRENT: 99 });
    const first: string[] = [];
    for (let at = 0; at < 40; at++) {
      const { generationId } = await ask(client, `k${at}`);
      (await upstream.nextCall()).text('once').done();
      await client.ended(generationId);
      first.push(generationId);
    }
    for (const [at, generationId] of first.entries()) {
      // Over REST: a socket that asks so fast is cut.
      const again = (): Promise<Answer> => post(`k${at}`, { clientId: client.id, ...PROMPT });
      let answer = await again();
      while (answer.body.generationId === generationId) answer = await again();
      expect(answer).toMatchObject({ status: 201 });
    }
    for (let at = 0; at < first.length; at++) (await upstream.nextCall()).done();
  });

  it('has 1 to 255 characters', async () => {
    await start();
    expect(await post('k'.repeat(255), { clientId: client.id, ...PROMPT })).toMatchObject({
      status: 201,
    });
    const refusal = { code: 'invalid_request', retryable: false };
    expect(await post('k'.repeat(256), { clientId: client.id, ...PROMPT })).toMatchObject({
      status: 400,
      body: { ...refusal, details: [{ path: 'Idempotency-Key' }] },
    });
    for (const idempotencyKey of ['', 'k'.repeat(256), 7]) {
      expect(await client.ask('generate', { ...PROMPT, idempotencyKey })).toMatchObject({
        ok: false,
        error: { ...refusal, details: [{ path: 'idempotencyKey' }] },
      });
    }
  });
});
