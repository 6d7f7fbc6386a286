import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamState } from '../src/protocol/stream-state.js';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { Program } from './support/program.js';
import { call } from './support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';
import { within } from './support/until.js';

let upstreams: ScriptedUpstream[];
let app: RunningServer | undefined;
let client: Client | undefined;

beforeEach(() => {
  upstreams = [];
});
afterEach(async () => {
  client?.close();
  await app?.close();
  await Promise.all(upstreams.map((upstream) => upstream.close()));
  app = client = undefined;
});

/** So many upstreams and a server that knows their models. */
async function start(count: number, env: Record<string, string | number> = {}) {
  for (let n = 0; n < count; n++) upstreams.push(await ScriptedUpstream.start());
  return serve(
    upstreams.map(({ url }) => url),
    env,
  );
}
async function serve(urls: string[], env: Record<string, string | number> = {}) {
  app = await startApp({ OLLAMA_BASE_URL: urls.join(), ...env });
  client = await Client.connect(app.socketUrl);
  await call('GET', `${app.url}/llm/models`);
  return { app, client };
}
const ask = async (user: Client, more: object = {}): Promise<string> => {
  const ack = await user.accepted('chat', { messages: [{ role: 'user', content: 'hi' }], ...more });
  return ack.generationId;
};
const statesOf = (user: Client, generationId: string): Omit<StreamState, 'generationId'>[] =>
  user.states.flatMap(({ generationId: id, ...state }) => (id === generationId ? [state] : []));
const calls = (): number => upstreams.reduce((sum, upstream) => sum + upstream.calls.length, 0);
const refuse =
  (status: number, error: string, headers: Record<string, string> = {}) =>
  (request: UpstreamCall): void =>
    request
      .head(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify({ error }));

describe('a failure before the first record', () => {
  it.each<[string, (request: UpstreamCall) => void]>([
    ['429', refuse(429, 'too many requests')],
    ['502', refuse(502, 'bad gateway')],
    ['503', refuse(503, 'server busy, please try again.  maximum pending requests exceeded')],
    ['503 with a Retry-After', refuse(503, 'busy', { 'retry-after': '3600' })],
    ['503 whose body never ends', (request) => request.head(503).write('{"error":')],
    ['a crashed runner', refuse(500, 'model runner has unexpectedly stopped')],
    ['an error line first', (request) => request.line({ error: 'runner crashed' }).end()],
    ['a reset while it waits for the headers', (request) => request.reset()],
    ['a reset behind the headers', (request) => void setTimeout(() => request.head().reset(), 50)],
    ['an answer without a byte', (request) => request.end()],
  ])('is invisible but for the attempt where another upstream can answer: %s', async (_, fail) => {
    const { client } = await start(2);
    const [first, second] = upstreams as [ScriptedUpstream, ScriptedUpstream];
    const id = await ask(client, { options: { seed: 7 } });
    // A reset may be that of a kept connection, so the same upstream is asked once more on a new one.
    let failed = 0;
    await client.until(() => {
      for (; failed < first.calls.length; failed++) fail(first.calls[failed]!);
      return second.calls.length > 0;
    });
    const answered = await second.nextCall();
    expect(answered.body).toEqual(first.calls[0]!.body);
    answered.text('yes').done();
    expect(await client.ended(id)).toMatchObject({ seq: 3, state: 'completed' });
    expect(client.text(id)).toBe('yes');
    // That it is starting at all was said in the ack.
    expect(statesOf(client, id)).toEqual([
      { state: 'starting', upstream: 'ollama-2', attempt: 2 },
      { state: 'streaming', upstream: 'ollama-2', attempt: 2 },
      { state: 'completed', upstream: 'ollama-2', attempt: 2 },
    ]);
    expect(second.calls).toHaveLength(1);
  });

  it('is invisible where the upstream no longer accepts connections', async () => {
    const { client } = await start(2);
    const [first, second] = upstreams as [ScriptedUpstream, ScriptedUpstream];
    await first.close();
    const id = await ask(client);
    (await second.nextCall()).text('yes').done();
    expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    expect(statesOf(client, id).at(-1)).toMatchObject({ upstream: 'ollama-2', attempt: 2 });
  });

  it.each<[string, (request: UpstreamCall) => void, string]>([
    ['400', refuse(400, 'bad'), 'upstream_rejected'],
    ['401', refuse(401, 'no'), 'upstream_unauthorized'],
    ['403', refuse(403, 'no'), 'upstream_forbidden'],
    ['404', refuse(404, "model 'x' not found"), 'model_not_found'],
    ['429 of a used up quota', refuse(429, 'insufficient_quota'), 'upstream_quota_exceeded'],
    ['500 that will not change', refuse(500, 'invalid format: x'), 'upstream_error'],
    ['504', refuse(504, 'gateway timeout'), 'upstream_timeout'],
    ['silence', () => undefined, 'first_byte_timeout'],
  ])('ends the generation where another upstream would not help: %s', async (_, fail, code) => {
    // Silence is short only where it is waited for.
    const FIRST_BYTE_TIMEOUT_MS = code === 'first_byte_timeout' ? 300 : 60_000;
    const { client } = await start(2, { FIRST_BYTE_TIMEOUT_MS });
    const id = await ask(client);
    fail(await upstreams[0]!.nextCall());
    expect(await client.ended(id)).toMatchObject({ seq: 1, state: 'failed', code });
    await sleep(100);
    expect(calls()).toBe(1);
  });

  it('is tried three times in all, and ends with the last cause', async () => {
    const { client } = await start(4);
    const id = await ask(client);
    refuse(503, 'busy')(await upstreams[0]!.nextCall());
    refuse(502, 'bad gateway')(await upstreams[1]!.nextCall());
    refuse(429, 'too many')(await upstreams[2]!.nextCall());
    expect(await client.ended(id)).toMatchObject({
      seq: 1,
      state: 'failed',
      code: 'upstream_rate_limited',
      retryable: true,
    });
    expect(calls()).toBe(3);
  });

  it('never makes more requests than an upstream has slots', async () => {
    const { client } = await start(2, { MAX_CONCURRENT: '1,2' });
    const [first, second] = upstreams as [ScriptedUpstream, ScriptedUpstream];
    const ids = await Promise.all(Array.from({ length: 8 }, () => ask(client)));
    let answered = 0;
    await client.until(() => {
      for (; answered < first.calls.length; answered++) refuse(503, 'busy')(first.calls[answered]!);
      for (const request of second.calls.filter(({ isOpen }) => isOpen).slice(0, 1)) {
        request.text('yes').done();
      }
      return ids.every((id) => client.of(id).some((record) => 'state' in record));
    });
    const ends = await Promise.all(ids.map((id) => client.ended(id)));
    expect(ends.map(({ state }) => state)).toEqual(ids.map(() => 'completed'));
    expect(answered).toBeGreaterThan(0);
    expect(first.mostOpen).toBe(1);
    expect(second.mostOpen).toBe(2);
  });
});

describe('a failure behind the first record', () => {
  it.each<[string, (request: UpstreamCall) => void, string]>([
    ['a reset', (request) => request.reset(), 'upstream_truncated'],
    ['an end', (request) => request.end(), 'upstream_truncated'],
    ['an error line', (request) => request.line({ error: 'crash' }).end(), 'upstream_error'],
  ])('ends the generation with its text, and is not tried again: %s', async (_, fail, code) => {
    const { client } = await start(2);
    const id = await ask(client);
    const request = await upstreams[0]!.nextCall();
    request.text('half');
    await client.until(() => client.text(id) === 'half');
    fail(request);
    expect(await client.ended(id)).toMatchObject({ seq: 2, code, retryable: false, bytes: 4 });
    await sleep(100);
    expect(calls()).toBe(1);
  });
});

describe('a failure of the only upstream', () => {
  it('is tried again there after growing pauses', async () => {
    const { client } = await start(1);
    const id = await ask(client);
    const times: number[] = [];
    for (const finish of [refuse(503, 'x'), refuse(503, 'x'), (it: UpstreamCall) => it.done()]) {
      const request = await upstreams[0]!.nextCall();
      times.push(performance.now());
      finish(request);
    }
    expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    // Half of 250 and of 500 ms is not random.
    expect(times[1]! - times[0]!).toBeGreaterThan(120);
    expect(times[2]! - times[1]!).toBeGreaterThan(245);
    expect(statesOf(client, id).map(({ state, attempt }) => [state, attempt])).toEqual([
      ['starting', 2],
      ['starting', 3],
      ['completed', 3],
    ]);
  });

  it('waits as long as Retry-After wants', async () => {
    const { client } = await start(1);
    const id = await ask(client);
    refuse(429, 'slow', { 'retry-after': '1' })(await upstreams[0]!.nextCall());
    const refused = performance.now();
    (await upstreams[0]!.nextCall()).done();
    expect(performance.now() - refused).toBeGreaterThan(990);
    expect(await client.ended(id)).toMatchObject({ state: 'completed' });
  });

  it('is not tried again where Retry-After wants more than a minute; the client is told', async () => {
    const { client } = await start(1);
    const id = await ask(client);
    refuse(503, 'busy', { 'retry-after': '61' })(await upstreams[0]!.nextCall());
    expect(await client.ended(id)).toMatchObject({
      code: 'upstream_busy',
      retryable: true,
      retryAfterMs: 61_000,
    });
    expect(calls()).toBe(1);
  });

  it('between two attempts, a cancel ends it at once and nothing more is asked', async () => {
    const { client } = await start(1);
    const id = await ask(client);
    refuse(503, 'busy', { 'retry-after': '2' })(await upstreams[0]!.nextCall());
    await sleep(200);
    const cancelled = await within(1_700, client.ask('cancel', { generationId: id }));
    expect(cancelled).toMatchObject({ state: 'cancelled' });
    expect(await client.ended(id)).toMatchObject({ seq: 1, state: 'cancelled', reason: 'client' });
    await sleep(2_200);
    expect(calls()).toBe(1);
    // The slot is free again.
    const next = await ask(client);
    (await upstreams[0]!.nextCall()).done();
    expect(await client.ended(next)).toMatchObject({ state: 'completed' });
  });

  it('is tried again although its circuit is open, and it answers as soon as it is back', async () => {
    const { client } = await start(1);
    const { port } = new URL(upstreams[0]!.url);
    await upstreams[0]!.close();
    const lost = await ask(client);
    expect(await client.ended(lost)).toMatchObject({
      code: 'upstream_unreachable',
      retryable: true,
    });
    expect(statesOf(client, lost).at(-1)).toMatchObject({ attempt: 3 });
    upstreams[0] = await ScriptedUpstream.start(Number(port));
    const id = await ask(client);
    (await upstreams[0].nextCall()).text('back').done();
    expect(await client.ended(id)).toMatchObject({ state: 'completed' });
  });
});

describe('the circuit of an upstream', () => {
  it('opens after three failures: it is asked last, and /health/ready says so', async () => {
    const { app, client } = await start(2);
    const [first, second] = upstreams as [ScriptedUpstream, ScriptedUpstream];
    for (let times = 0; times < 3; times++) {
      const id = await ask(client);
      refuse(500, 'runner has unexpectedly stopped')(await first.nextCall());
      (await second.nextCall()).done();
      await client.ended(id);
    }
    const id = await ask(client);
    (await second.nextCall()).done();
    await client.ended(id);
    expect(first.calls).toHaveLength(3);
    expect(await call('GET', `${app.url}/health/ready`)).toMatchObject({
      status: 200,
      body: { upstreams: [{ name: 'ollama', circuit: 'open' }, { circuit: 'closed' }] },
    });
  });

  it('lets one request try after the pause, and the next ones follow if that succeeds', async () => {
    const { client } = await start(2, { MAX_CONCURRENT: 4 });
    const [first, second] = upstreams as [ScriptedUpstream, ScriptedUpstream];
    for (let times = 0; times < 3; times++) {
      const id = await ask(client);
      refuse(500, 'runner has unexpectedly stopped')(await first.nextCall());
      (await second.nextCall()).done();
      await client.ended(id);
    }
    await sleep(1_050);
    const ids = [await ask(client), await ask(client), await ask(client)];
    const trial = await first.nextCall();
    await second.nextCall();
    await second.nextCall();
    expect(first.calls).toHaveLength(4);
    trial.done();
    await client.ended(ids[0]!);
    const after = await ask(client);
    (await first.nextCall()).done();
    expect(await client.ended(after)).toMatchObject({ state: 'completed' });
  });
});

/** The built-in upstream in a process of its own. */
async function spawnUpstream(...args: string[]): Promise<{ program: Program; url: string }> {
  const program = Program.run('fake-ollama/main.js', ['--port', '0', ...args]);
  const [, url = ''] = await program.said(/listening on (http:\S+)/);
  return { program, url };
}

describe('an upstream process that is killed', () => {
  const programs: Program[] = [];
  afterEach(async () => {
    await Promise.all(programs.splice(0).map((program) => program.kill()));
  });
  const startTwo = async (...args: string[]) => {
    const [first, second] = await Promise.all([
      spawnUpstream(...args),
      spawnUpstream('--rate', '0'),
    ]);
    programs.push(first.program, second.program);
    const { client } = await serve([first.url, second.url], { OLLAMA_MODEL: 'demo' });
    return { client, first, second };
  };

  it('while it is waited for: the client sees the answer of another', async () => {
    const { client, first } = await startTwo('--hang');
    const id = await ask(client);
    await sleep(300);
    await first.program.kill();
    expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    expect(client.text(id)).not.toBe('');
    expect(statesOf(client, id)).toMatchObject([
      { state: 'starting', upstream: 'ollama-2', attempt: 2 },
      { state: 'streaming' },
      { state: 'completed' },
    ]);
  });

  it('in the middle of its answer: the client keeps the text and is told', async () => {
    const { client, first, second } = await startTwo('--rate', '20');
    const id = await ask(client);
    await client.until(() => client.text(id).length > 10);
    await first.program.kill();
    const terminal = await client.ended(id);
    const text = client.text(id);
    expect(terminal).toMatchObject({
      state: 'failed',
      code: 'upstream_truncated',
      retryable: false,
      bytes: Buffer.byteLength(text),
    });
    expect(text.length).toBeGreaterThan(10);
    await sleep(300);
    // Whoever was asked for an answer has the model loaded.
    expect(await call('GET', `${second.url}/api/ps`)).toMatchObject({ body: { models: [] } });
  });
});
