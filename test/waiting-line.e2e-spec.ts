import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

describe('the waiting line', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let clients: Client[];

  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
    clients = [];
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await app?.close();
    await upstream?.close();
  });

  const start = async (env: Record<string, string | number> = {}): Promise<void> => {
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, ...env });
  };
  const connect = async (user?: string): Promise<Client> => {
    const client = await Client.connect(app.socketUrl, {
      ...(user !== undefined && { auth: { userId: user } }),
    });
    clients.push(client);
    return client;
  };
  const ask = async (client: Client, prompt: string) => {
    const answer = await client.accepted('generate', { prompt });
    return answer;
  };

  it('shows who waits their position, tells each change of it, and guesses the time', async () => {
    await start();
    const client = await connect();
    const first = await ask(client, 'first');
    expect(first).toMatchObject({ state: 'starting' });
    expect(first).not.toHaveProperty('position');
    const second = await ask(client, 'second');
    const third = await ask(client, 'third');
    expect(second).toMatchObject({ state: 'queued', position: 1 });
    expect(third).toMatchObject({ state: 'queued', position: 2 });
    const rest = await call('POST', `${app.url}/llm/generate`, {
      clientId: client.id,
      prompt: 'fourth',
    });
    expect(rest.body).toMatchObject({ status: 'Streaming started', state: 'queued', position: 3 });

    (await upstream.nextCall()).text('one').done();
    const next = await upstream.nextCall();
    expect(next.body['prompt']).toBe('second');
    next.text('two');
    await client.until(() => client.text(second.generationId) === 'two');
    const statesOf = (id: string) => client.states.filter((state) => state.generationId === id);
    expect(statesOf(second.generationId).map(({ state }) => state)).toEqual([
      'starting',
      'streaming',
    ]);
    await client.until(() => statesOf(third.generationId).length > 0);
    expect(statesOf(third.generationId)[0]).toEqual({
      generationId: third.generationId,
      state: 'queued',
      position: 1,
      etaMs: expect.any(Number),
    });
    await client.until(() => statesOf(rest.body.generationId).at(-1)?.position === 2);
    // Who comes now is told the guess at once.
    const guess = { state: 'queued', position: 3, etaMs: expect.any(Number) };
    const late = await ask(client, 'fifth');
    expect(late).toMatchObject(guess);
    const { body } = await call('POST', `${app.url}/llm/generate`, {
      clientId: client.id,
      prompt: 'sixth',
    });
    expect(body).toMatchObject({ ...guess, position: 4 });
    next.done();
    for (let rest = 0; rest < 4; rest++) (await upstream.nextCall()).done();
    expect(await client.ended(body.generationId)).toMatchObject({ state: 'completed' });
  });

  it('never has more requests open at an upstream than it has slots', async () => {
    await start({ MAX_CONCURRENT: 2 });
    const client = await connect();
    const ids: string[] = [];
    for (let at = 0; at < 12; at++) ids.push((await ask(client, `${at}`)).generationId);
    for (let at = 0; at < ids.length; at++) {
      const request = await upstream.nextCall();
      const id = ids[Number(request.body['prompt'])] ?? '';
      request.text('x');
      await client.until(() => client.text(id) === 'x');
      // In turn: a natural end, a cancel, an upstream that dies.
      if (at % 3 === 0) request.done();
      else if (at % 3 === 1) await client.ask('cancel', { generationId: id });
      else request.reset();
    }
    for (const id of ids) await client.ended(id);
    expect(upstream.mostOpen).toBe(2);
    expect(upstream.calls).toHaveLength(12);
  });

  it('lets a user who had no turn yet pass the many requests of another', async () => {
    await start();
    const [many, one] = [await connect('many'), await connect('one')];
    for (let at = 0; at < 4; at++) await ask(many, `many ${at}`);
    expect(await ask(one, 'one')).toMatchObject({ state: 'queued', position: 1 });
    const order: unknown[] = [];
    for (let at = 0; at < 5; at++) {
      const request = await upstream.nextCall();
      order.push(request.body['prompt']);
      request.done();
    }
    expect(order).toEqual(['many 0', 'one', 'many 1', 'many 2', 'many 3']);
  });

  it('never sends a waiting request upstream that was cancelled, timed out or left alone', async () => {
    await start({ QUEUE_TIMEOUT_MS: 400, ABANDON_AFTER_MS: 100 });
    const [client, leaver] = [await connect(), await connect()];
    await ask(client, 'runs');
    const running = await upstream.nextCall();
    const cancelled = await ask(client, 'cancelled');
    const late = await ask(client, 'late');
    const alone = await ask(leaver, 'alone');
    leaver.close();
    expect(await client.ask('cancel', { generationId: cancelled.generationId })).toEqual({
      ok: true,
      state: 'cancelled',
      seq: 1,
    });
    expect(await client.ended(late.generationId)).toMatchObject({
      state: 'failed',
      code: 'queue_timeout',
      retryable: true,
    });
    const { body } = await call('GET', `${app.url}/llm/generations/${alone.generationId}`);
    expect(body).toMatchObject({ state: 'cancelled', reason: 'abandoned' });
    running.done();
    await client.until(() => client.records.some((record) => 'message' in record));
    expect(upstream.calls).toHaveLength(1);
    expect((await call('GET', `${app.url}/llm/queue`)).body).toEqual({
      waiting: 0,
      maxWaiting: 100,
      upstreams: [{ name: 'ollama', running: 0, slots: 1, waiting: 0 }],
    });
  });

  it('refuses what is over the line, with advice when to come back', async () => {
    await start({ MAX_QUEUE: 1, MAX_QUEUE_PER_USER: 0 });
    const client = await connect();
    await ask(client, 'runs');
    await ask(client, 'waits');
    const answer = await call('POST', `${app.url}/llm/generate`, {
      clientId: client.id,
      prompt: 'too much',
    });
    expect(answer).toMatchObject({
      status: 503,
      body: { code: 'queue_full', retryable: true, retryAfterMs: expect.any(Number) },
    });
    expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
  });

  it("refuses with 429 what is over a user's own limit, and still serves others", async () => {
    await start({ MAX_QUEUE_PER_USER: 1 });
    const [greedy, other] = [await connect('greedy'), await connect('other')];
    await ask(greedy, 'runs');
    await ask(greedy, 'waits');
    const answer = await call('POST', `${app.url}/llm/generate`, {
      clientId: greedy.id,
      prompt: 'more',
    });
    expect(answer).toMatchObject({ status: 429, body: { code: 'rate_limited', retryable: true } });
    expect(answer.body.retryAfterMs).toBeGreaterThan(0);
    expect(await ask(other, 'mine')).toMatchObject({ state: 'queued' });
  });

  it('counts callers without a client by their address, which a trusted proxy may tell', async () => {
    await start({ MAX_QUEUE_PER_USER: 1, TRUST_PROXY: 'loopback' });
    const from = (address: string) =>
      call(
        'POST',
        `${app.url}/llm/generate`,
        { prompt: 'x', onDisconnect: 'keep' },
        { 'x-forwarded-for': address },
      );
    expect((await from('203.0.113.1')).body.state).toBe('starting');
    expect((await from('203.0.113.1')).body.state).toBe('queued');
    expect((await from('203.0.113.1')).status).toBe(429);
    expect((await from('203.0.113.2')).body.state).toBe('queued');
  });

  it('goes on streaming undisturbed through a burst of 2,000 requests', async () => {
    await start({ MAX_QUEUE: 10 });
    const client = await connect();
    const { generationId } = await ask(client, 'runs');
    const request = await upstream.nextCall();
    let sent = '';
    const timer = setInterval(() => {
      const piece = `${sent.length} `;
      sent += piece;
      request.text(piece);
    }, 5);
    const statuses = new Map<number, number>();
    // Fifty connections at a time, as a proxy in front would have.
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        for (let at = 0; at < 40; at++) {
          const { status } = await call('POST', `${app.url}/llm/generate`, {
            clientId: client.id,
            prompt: 'burst',
          });
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      }),
    );
    clearInterval(timer);
    expect(Object.fromEntries(statuses)).toEqual({ 201: 10, 503: 1990 });
    request.done();
    expect(await client.ended(generationId)).toMatchObject({ state: 'completed' });
    expect(client.text(generationId)).toBe(sent);
    expect(client.of(generationId).every((record) => record.from === undefined)).toBe(true);
  });
});
