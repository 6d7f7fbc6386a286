import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamRecord } from '../src/protocol/records.js';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { OpenAiUpstream } from './support/openai-upstream.js';
import { type Answer, call } from './support/rest.js';
import type { ScriptedUpstream, UpstreamCall } from './support/scripted-upstream.js';
import { Stage } from './support/stage.js';

const MODEL = 'new:1b';
const DIGEST = 'sha256:aabbccddeeff00';

describe('POST /llm/models/pull', () => {
  let stage: Stage;
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let client: Client;

  beforeAll(async () => {
    stage = await Stage.open({ ALLOW_PULL: 'true', ALLOWED_MODELS: `${MODEL},llama3.2` });
    ({ upstream, app } = stage);
    client = await stage.connect();
  });
  afterAll(() => stage?.close());

  const pull = (body: object = {}): Promise<Answer> =>
    call('POST', `${app.url}/llm/models/pull`, { clientId: client.id, model: MODEL, ...body });
  const started = async (): Promise<{ id: string; request: UpstreamCall }> => {
    const { status, body, headers } = await pull();
    const { generationId: id } = body as { generationId: string };
    expect(status).toBe(201);
    expect(body).toMatchObject({ clientId: client.id, model: MODEL });
    expect(headers.get('location')).toBe(`/llm/generations/${id}`);
    return { id, request: await upstream.nextCall() };
  };
  const layer = (completed: number, digest = DIGEST): object => ({
    status: `pulling ${digest}`,
    digest,
    total: 100,
    completed,
  });
  const completedOf = (records: readonly StreamRecord[], digest = DIGEST): (number | undefined)[] =>
    records.flatMap((record) =>
      'digest' in record && record.digest === digest ? [record.completed] : [],
    );

  it('tells the progress at most four times a second for each layer, and always its end', async () => {
    const { id, request } = await started();
    const begun = performance.now();
    request.line({ status: 'pulling manifest' });
    for (let completed = 0; completed < 100; completed++) {
      request.line(layer(completed)).line(layer(completed, 'sha256:other'));
      await sleep(10);
    }
    request.line(layer(100)).line(layer(100, 'sha256:other'));
    request.line({ status: 'verifying sha256 digest' }).line({ status: 'success' }).end();
    expect(await client.ended(id)).toMatchObject({ state: 'completed', finishReason: 'success' });
    const seconds = (performance.now() - begun) / 1000;
    for (const digest of [DIGEST, 'sha256:other']) {
      const completed = completedOf(client.of(id), digest);
      // The first and the last come besides.
      expect(completed.length).toBeLessThanOrEqual(4 * seconds + 2);
      expect(completed.length).toBeGreaterThanOrEqual(3);
      expect([completed[0], completed.at(-1)]).toEqual([0, 100]);
      expect(completed).toEqual(completed.toSorted((a = 0, b = 0) => a - b));
    }
    const steps = client.of(id).flatMap((record) => ('status' in record ? [record.status] : []));
    expect([steps[0], ...steps.slice(-2)]).toEqual([
      'pulling manifest',
      'verifying sha256 digest',
      'success',
    ]);
  });

  it('tells the end of a layer once, however often Ollama does', async () => {
    const { id, request } = await started();
    for (let times = 0; times < 50; times++) request.line(layer(100));
    request.line({ status: 'success' }).end();
    await client.ended(id);
    expect(completedOf(client.of(id)).length).toBeLessThanOrEqual(3);
  });

  it('cancel closes the request to Ollama, which keeps what it has', async () => {
    const { id, request } = await started();
    request.line(layer(1));
    await client.until(() => client.of(id).length === 1);
    expect(await client.ask('cancel', { generationId: id })).toMatchObject({ state: 'cancelled' });
    await request.closed;
    expect(await client.ended(id)).toMatchObject({ state: 'cancelled', reason: 'client' });
  });

  it('can be joined by another client, from any record on', async () => {
    const other = await Client.connect(app.socketUrl);
    const { id, request } = await started();
    request.line({ status: 'pulling manifest' }).line(layer(1));
    await client.until(() => client.of(id).length === 2);
    expect(await other.ask('join', { generationId: id, after: 1 })).toMatchObject({
      ok: true,
      state: 'streaming',
      seq: 2,
    });
    request.line(layer(100)).line({ status: 'success' }).end();
    expect(await other.ended(id)).toEqual(await client.ended(id));
    expect(other.of(id)).toEqual(client.of(id).slice(1));
    other.close();
  });

  it.each<[string, (request: UpstreamCall) => void, string, boolean]>([
    ['an end', (request) => request.end(), 'upstream_truncated', true],
    ['a reset', (request) => request.reset(), 'upstream_truncated', true],
    ['an error', (request) => request.line({ error: 'no space' }).end(), 'upstream_error', true],
    ['garbage', (request) => request.end('x\n'), 'upstream_protocol_error', false],
  ])('says of a pull that %s cut off whether it can go on', async (_what, cut, code, retryable) => {
    const { id, request } = await started();
    request.line(layer(1));
    await client.until(() => client.of(id).length === 1);
    cut(request);
    expect(await client.ended(id)).toMatchObject({ seq: 2, state: 'failed', code, retryable });
  });

  it('takes no slot: a generation runs beside it', async () => {
    const { id, request } = await started();
    const ack = await client.ask('generate', { prompt: 'hi' });
    (await upstream.nextCall()).done();
    expect(ack).toMatchObject({ ok: true, state: 'starting' });
    request.line({ status: 'success' }).end();
    await client.ended(id);
  });

  it.each<[string, object, number, string]>([
    ['a model that is not allowed', { model: 'evil' }, 403, 'forbidden'],
    ['no model', { model: undefined }, 400, 'invalid_request'],
    ['an unknown field', { insecure: true }, 400, 'invalid_request'],
    ['an unknown client', { clientId: 'x' }, 404, 'client_not_found'],
  ])('refuses %s', async (_what, body, status, code) => {
    const earlier = upstream.calls.length;
    expect(await pull(body)).toMatchObject({ status, body: { code } });
    expect(upstream.calls.length).toBe(earlier);
  });

  it('goes to an Ollama, and is invalid_request where there is none', async () => {
    const openAi = await OpenAiUpstream.start();
    const env = { OPENAI_BASE_URL: openAi.url, OPENAI_MODEL: 'gpt-demo', ALLOW_PULL: 'true' };
    for (const [ollama, status] of [
      [upstream.url, 201],
      ['', 400],
    ] as const) {
      const other = await startApp({ ...env, OLLAMA_BASE_URL: ollama });
      const user = await Client.connect(other.socketUrl);
      const body = { clientId: user.id, model: MODEL };
      const answer = await call('POST', `${other.url}/llm/models/pull`, body);
      expect(answer.status).toBe(status);
      if (status === 201) (await upstream.nextCall()).line({ status: 'success' }).end();
      else expect(answer.body).toMatchObject({ code: 'invalid_request' });
      user.close();
      await other.close();
    }
    expect(openAi.calls).toEqual([]);
    await openAi.close();
  });

  it('is forbidden unless the operator allows it', async () => {
    const earlier = upstream.calls.length;
    const other = await startApp({ OLLAMA_BASE_URL: upstream.url });
    const user = await Client.connect(other.socketUrl);
    const body = { clientId: user.id, model: MODEL };
    expect(await call('POST', `${other.url}/llm/models/pull`, body)).toMatchObject({
      status: 403,
      body: { code: 'forbidden', retryable: false },
    });
    user.close();
    await other.close();
    expect(upstream.calls.length).toBe(earlier);
  });
});
