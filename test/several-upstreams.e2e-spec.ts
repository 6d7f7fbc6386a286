import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { OpenAiUpstream } from './support/openai-upstream.js';
import { type Answer, call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

const MESSAGES = [{ role: 'user', content: 'hi' }];

describe('several upstreams', () => {
  let first: ScriptedUpstream;
  let second: ScriptedUpstream;
  let openAi: OpenAiUpstream;
  let app: RunningServer;
  let client: Client;

  beforeEach(async () => {
    [first, second, openAi] = await Promise.all([
      ScriptedUpstream.start(),
      ScriptedUpstream.start(),
      OpenAiUpstream.start(),
    ]);
    first.models = ['llama3.2:latest', 'both:1b', 'first:1b'];
    second.models = ['both:1b', 'second:1b'];
  });
  afterEach(async () => {
    client?.close();
    await app?.close();
    await Promise.all([first, second, openAi].map((upstream) => upstream.close()));
  });

  const start = async (env: Record<string, string | number> = {}): Promise<void> => {
    app = await startApp({
      OLLAMA_BASE_URL: `${first.url}, ${second.url}/`,
      OPENAI_BASE_URL: openAi.url,
      ...env,
    });
    client = await Client.connect(app.socketUrl);
    await refresh();
  };
  const refresh = (): Promise<Answer> => call('GET', `${app.url}/llm/models`);
  const ready = (): Promise<Answer> => call('GET', `${app.url}/health/ready`);
  const ask = async (model: string, more: object = {}): Promise<string> => {
    const ack = await client.accepted('chat', { model, messages: MESSAGES, ...more });
    return ack.generationId;
  };
  const upstreamOf = (id: string): string | undefined =>
    client.states.findLast(({ generationId }) => generationId === id)?.upstream;
  const restart = async (upstream: ScriptedUpstream): Promise<ScriptedUpstream> => {
    const again = await ScriptedUpstream.start(Number(new URL(upstream.url).port));
    again.models = upstream.models;
    return again;
  };

  it('show the models of all of them, each with its upstream', async () => {
    await start();
    const { body } = await refresh();
    const listed = (body as { models: { name: string; upstream: string }[] }).models;
    expect(listed.map(({ name, upstream }) => `${name} at ${upstream}`)).toEqual([
      'llama3.2:latest at ollama',
      'both:1b at ollama',
      'first:1b at ollama',
      'both:1b at ollama-2',
      'second:1b at ollama-2',
      'gpt-demo at openai',
    ]);
  });

  it('leave out the models of one that does not answer', async () => {
    await start();
    await first.close();
    const { body } = await refresh();
    const listed = (body as { models: { upstream: string }[] }).models;
    expect(new Set(listed.map(({ upstream }) => upstream))).toEqual(
      new Set(['ollama-2', 'openai']),
    );
    expect(await ready()).toMatchObject({
      status: 200,
      body: {
        status: 'ok',
        upstreams: [
          { name: 'ollama', reachable: false, circuit: 'open' },
          { name: 'ollama-2', reachable: true, circuit: 'closed' },
          { name: 'openai', reachable: true, circuit: 'closed' },
        ],
      },
    });
  });

  it.each([
    ['first:1b', 'ollama'],
    ['second:1b', 'ollama-2'],
    ['SECOND:1b', 'ollama-2'],
    ['llama3.2', 'ollama'],
    ['gpt-demo', 'openai'],
  ])('a request for %s goes to %s', async (model, upstream) => {
    await start();
    const id = await ask(model);
    const { ollama = first, 'ollama-2': other = second } = {};
    const asked = { ollama, 'ollama-2': other, openai: openAi }[upstream]!;
    const request = await asked.nextCall();
    expect(request.body['model']).toBe(model);
    request.text('x').done();
    await client.ended(id);
    expect(upstreamOf(id)).toBe(upstream);
    expect(first.calls.length + second.calls.length + openAi.calls.length).toBe(1);
  });

  it('a model that none has is looked for once more, and then not found', async () => {
    await start();
    const missing = await ask('new:1b');
    expect(await client.ended(missing)).toMatchObject({
      state: 'failed',
      code: 'model_not_found',
      retryable: false,
    });
    second.models.push('new:1b');
    const id = await ask('new:1b');
    (await second.nextCall()).done();
    expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    expect(first.calls).toEqual([]);
  });

  it('an upstream whose models are not known counts as having them', async () => {
    await first.close();
    await start();
    const id = await ask('first:1b');
    expect(await client.ended(id)).toMatchObject({ code: 'upstream_unreachable' });
  });

  it('the least busy is asked, each with as many slots as MAX_CONCURRENT gives it', async () => {
    await start({ MAX_CONCURRENT: '2,4,1' });
    const ids: string[] = [];
    const asked = (): number => first.calls.length + second.calls.length;
    for (let n = 0; n < 3; n++) ids.push(await ask('both:1b'));
    await client.until(() => asked() === 3);
    // One of two and two of four slots are as busy; a second of two would have been busier.
    expect(first.calls).toHaveLength(1);
    for (let n = 0; n < 3; n++) ids.push(await ask('both:1b'));
    await client.until(() => asked() === 6);
    expect(first.calls).toHaveLength(2);
    await ask('both:1b');
    expect(await call('GET', `${app.url}/llm/queue`)).toMatchObject({
      body: {
        waiting: 1,
        upstreams: [
          { name: 'ollama', running: 2, slots: 2, waiting: 1 },
          { name: 'ollama-2', running: 4, slots: 4, waiting: 1 },
          { name: 'openai', running: 0, slots: 1, waiting: 0 },
        ],
      },
    });
    for (const id of ids) await client.ask('cancel', { generationId: id });
  });

  it('one that has the model loaded is asked first, while it has a free slot', async () => {
    // Such a server lists what it has loaded; the others have loaded nothing.
    openAi.models = ['both:1b'];
    await start({ MAX_CONCURRENT: '1,1,2' });
    for (let n = 0; n < 3; n++) await ask('both:1b');
    await openAi.nextCall();
    await openAi.nextCall();
    await first.nextCall();
    expect(second.calls).toEqual([]);
  });

  it('who waits takes the first free slot of any that has the model, and of no other', async () => {
    await start({ MAX_CONCURRENT: 1 });
    for (let n = 0; n < 2; n++) await ask('both:1b');
    const waiting = await ask('both:1b');
    const own = await ask('first:1b');
    (await second.nextCall()).done();
    const request = await second.nextCall();
    expect(first.calls).toHaveLength(1);
    request.text('x').done();
    expect(await client.ended(waiting)).toMatchObject({ state: 'completed' });
    (await first.nextCall()).done();
    (await first.nextCall()).done();
    await client.ended(own);
    expect(upstreamOf(own)).toBe('ollama');
  });

  it('one that dies leaves who waits for it to the others, whoever had its turn first', async () => {
    await start({ MAX_CONCURRENT: 1 });
    const lost = await ask('both:1b');
    const other = await ask('both:1b');
    const waiting = await ask('both:1b');
    await first.nextCall();
    await first.close();
    let waits = 0;
    while (waits < 2) {
      const { body } = await call('GET', `${app.url}/llm/queue`);
      ({ waiting: waits } = body as { waiting: number });
    }
    const inOrder = [other, lost, waiting];
    for (const id of inOrder) {
      (await second.nextCall()).text('x').done();
      expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    }
    expect(second.mostOpen).toBe(1);
    expect(upstreamOf(lost)).toBe('ollama-2');
  });

  it('one whose circuit was open goes on with who waits, not with who comes last', async () => {
    await start({ MAX_CONCURRENT: 1 });
    await ask('both:1b');
    let reset = 0;
    await client.until(() => {
      for (; reset < first.calls.length; reset++) first.calls[reset]!.reset();
      return second.calls.length === 1;
    });
    const messages = [{ role: 'user', content: 'I wait' }];
    await ask('both:1b', { messages });
    await sleep(1_100);
    await ask('both:1b');
    await client.until(() => first.calls.length > reset);
    expect(first.calls[reset]!.body).toMatchObject({ messages });
  });

  it('one that comes back is used, also for who waits already', async () => {
    await start({ MAX_CONCURRENT: 1 });
    await first.close();
    await ready();
    const running = await ask('both:1b');
    const waiting = await ask('both:1b');
    const request = await second.nextCall();
    first = await restart(first);
    expect(await ready()).toMatchObject({ body: { upstreams: [{ reachable: true }, {}, {}] } });
    (await first.nextCall()).text('x').done();
    expect(await client.ended(waiting)).toMatchObject({ state: 'completed' });
    expect(upstreamOf(waiting)).toBe('ollama');
    request.done();
    await client.ended(running);
  });

  it('who waits for a model that is gone everywhere is told', async () => {
    await start({ MAX_CONCURRENT: 1 });
    const running = await ask('first:1b');
    const waiting = await ask('first:1b');
    first.models = [];
    await refresh();
    expect(await client.ended(waiting)).toMatchObject({ code: 'model_not_found' });
    (await first.nextCall()).done();
    expect(await client.ended(running)).toMatchObject({ state: 'completed' });
  });

  it('whose model is gone everywhere between two attempts is told too', async () => {
    await start();
    const id = await ask('first:1b');
    const tried = await first.nextCall();
    first.models = [];
    await refresh();
    tried.json(503, { error: 'busy' });
    expect(await client.ended(id)).toMatchObject({ state: 'failed' });
  });

  it('give the version of the first that answers', async () => {
    await start();
    expect(await call('GET', `${app.url}/llm/version`)).toMatchObject({
      body: { version: '0.33.0-scripted' },
    });
    await first.close();
    // It is remembered for a second.
    await sleep(1_100);
    expect(await call('GET', `${app.url}/llm/version`)).toMatchObject({
      body: { version: '0.33.0-scripted' },
    });
    await Promise.all([second.close(), openAi.close()]);
    await sleep(1_100);
    expect(await call('GET', `${app.url}/llm/version`)).toMatchObject({
      status: 503,
      body: { code: 'upstream_unreachable' },
    });
    expect(await ready()).toMatchObject({ status: 503, body: { status: 'no_upstream' } });
    openAi = await OpenAiUpstream.start();
    second = await restart(second);
  });

  describe('what only some kinds of upstream can do', () => {
    it.each<[string, object]>([
      ['an option', { messages: MESSAGES, options: { top_k: 40 } }],
      ['no messages', { messages: [] }],
    ])('goes to one that can, where that has the model too: %s', async (_what, request) => {
      openAi.models = ['both:1b'];
      first.models = [];
      second.models = ['both:1b'];
      await start({ MAX_CONCURRENT: '1,1,9' });
      const ids = [await ask('both:1b', request), await ask('both:1b', request)];
      (await second.nextCall()).done();
      (await second.nextCall()).done();
      for (const id of ids) await client.ended(id);
      expect(openAi.calls).toEqual([]);
    });

    it('is invalid_request where only one that cannot has the model', async () => {
      await start();
      const ack = await client.ask('chat', {
        model: 'gpt-demo',
        messages: MESSAGES,
        options: { top_k: 40 },
      });
      const code = ack.ok
        ? ((await client.ended(ack.generationId)) as { code?: string }).code
        : ack.error.code;
      expect(code).toBe('invalid_request');
    });

    it.each<[string, string, object, string]>([
      ['chat', 'an option', { messages: MESSAGES, options: { top_k: 40 } }, 'options.top_k'],
      ['chat', 'no messages', { messages: [] }, 'messages'],
      ['generate', 'no prompt', { prompt: '' }, 'prompt'],
      ['generate', 'a suffix', { prompt: 'a', suffix: 'b' }, 'suffix'],
    ])(
      'is refused over both doors where no upstream can: %s with %s',
      async (event, _, body, path) => {
        await start({ OLLAMA_BASE_URL: '', OPENAI_MODEL: 'gpt-demo' });
        const refusal = { code: 'invalid_request', retryable: false, details: [{ path }] };
        expect(await client.ask(event, body)).toMatchObject({ ok: false, error: refusal });
        const request = { clientId: client.id, ...body };
        expect(await call('POST', `${app.url}/llm/${event}`, request)).toMatchObject({
          status: 400,
          body: refusal,
        });
        expect(openAi.calls).toEqual([]);
      },
    );
  });
});
