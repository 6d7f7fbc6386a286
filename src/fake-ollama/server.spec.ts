import { getEventListeners, once } from 'node:events';
import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
} from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { until as eventually, within } from '../../test/support/until.js';
import { GUIDE } from './guide.js';
import { dueMs, until } from './pace.js';
import { type FakeOllama, startFakeOllama } from './server.js';
import { Slots } from './slots.js';
import { type FakeOllamaOptions, helpText, readArguments, resolveSwitches } from './switches.js';

const TRICKY = 'Grüße, 世界 👩‍👩‍👧! <b>&</b>\u2028 “\\n”\r\n\t  e\u0301 𝒳 ok\n';
const CRASH = 'an error was encountered while running the model: unexpected EOF';

interface Line {
  model: string;
  created_at: string;
  response: string;
  message: { role: string; content: string };
  done: boolean;
  done_reason: string;
  context: number[];
  total_duration: number;
  load_duration: number;
  prompt_eval_count: number;
  prompt_eval_duration: number;
  eval_count: number;
  eval_duration: number;
  error: string;
}

interface Heard {
  status: number;
  headers: IncomingHttpHeaders;
  pieces: Buffer[];
  text: string;
  lines: Line[];
  /** The response came to its regular end on HTTP level. */
  complete: boolean;
  headersMs: number;
  totalMs: number;
}

const running: FakeOllama[] = [];
afterEach(() => Promise.all(running.splice(0).map((fake) => fake.close())));

async function start(options: FakeOllamaOptions = {}): Promise<FakeOllama> {
  const fake = await startFakeOllama({ port: 0, rate: 0, ...options });
  running.push(fake);
  return fake;
}

function send(fake: FakeOllama, path: string, body?: unknown, method?: string): ClientRequest {
  const out = request(fake.url + path, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    agent: false,
  });
  out.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body));
  return out;
}

async function hear(out: ClientRequest): Promise<Heard> {
  const asked = performance.now();
  const [incoming] = (await once(out, 'response')) as [IncomingMessage];
  const headersMs = performance.now() - asked;
  const pieces: Buffer[] = [];
  incoming.on('data', (piece: Buffer) => pieces.push(piece)).on('error', () => {});
  await new Promise((resolve) => incoming.on('close', resolve));
  const text = Buffer.concat(pieces).toString();
  const json = /json/.test(incoming.headers['content-type'] ?? '');
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    pieces,
    text,
    lines: json
      ? text
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as Line)
      : [],
    complete: incoming.complete,
    headersMs,
    totalMs: performance.now() - asked,
  };
}

const ask = (fake: FakeOllama, path: string, body?: unknown, method?: string) =>
  hear(send(fake, path, body, method));

const echo = (fake: FakeOllama, prompt: string, rest: object = {}) =>
  ask(fake, '/api/generate', { model: 'echo', prompt, ...rest });

const last = ({ lines }: Heard) => lines.at(-1);
const joined = ({ lines }: Heard) => lines.map(({ response }) => response ?? '').join('');

const loadedNames = async (fake: FakeOllama) => {
  const { text } = await ask(fake, '/api/ps');
  return (JSON.parse(text) as { models: { name: string }[] }).models.map(({ name }) => name);
};

describe('what it says of itself', () => {
  it('runs, and admits to be a demo', async () => {
    const fake = await start();
    const root = await ask(fake, '/');
    expect(root.status).toBe(200);
    expect(root.text).toBe('Ollama is running (a demo upstream, not a language model)');
    expect(JSON.parse((await ask(fake, '/api/version')).text)).toEqual({
      version: '0.0.0-llm-cast-demo',
      demo: 'a demo upstream, not a language model',
    });
  });

  it.each(['/', '/api/version', '/api/tags', '/api/ps'])('answers HEAD %s', async (path) => {
    const head = await ask(await start(), path, undefined, 'HEAD');
    expect([head.status, head.text]).toEqual([200, '']);
  });

  it('lists its models and those it was given, but none else', async () => {
    const fake = await start({ models: ['llama3.2', 'qwen3:8b'] });
    const { text, headers } = await ask(fake, '/api/tags');
    const { models } = JSON.parse(text) as { models: { name: string }[] };
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(models.map(({ name }) => name)).toEqual([
      'demo:latest',
      'llama3.2:latest',
      'qwen3:8b',
      'echo:latest',
    ]);
    expect(models[0]).toMatchObject({
      model: 'demo:latest',
      size: expect.any(Number),
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      details: { format: 'demo', family: 'demo' },
      capabilities: ['completion'],
    });
  });

  it('shows a model', async () => {
    const { text } = await ask(await start(), '/api/show', { model: 'DEMO' });
    expect(JSON.parse(text)).toMatchObject({
      details: { family: 'demo' },
      model_info: { 'general.architecture': 'demo' },
      capabilities: ['completion'],
    });
  });
});

describe('a streamed answer', () => {
  it('is the guide, line by line, with measured statistics at its end', async () => {
    const heard = await ask(await start(), '/api/generate', { model: 'demo', prompt: 'Hi there' });
    expect(heard.status).toBe(200);
    expect(heard.headers['content-type']).toBe('application/x-ndjson');
    expect(heard.headers['transfer-encoding']).toBe('chunked');
    expect(heard.text.endsWith('\n')).toBe(true);
    expect(joined(heard)).toBe(GUIDE);
    const words = GUIDE.split(/\s+/).length;
    expect(words).toBeGreaterThanOrEqual(150);
    expect(words).toBeLessThanOrEqual(250);

    for (const line of heard.lines) {
      expect(line.model).toBe('demo');
      expect(line.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
      expect(line.done).toBe(line === last(heard));
    }
    expect(last(heard)).toMatchObject({
      done_reason: 'stop',
      context: expect.arrayContaining([expect.any(Number)]),
      eval_count: heard.lines.length - 1,
      prompt_eval_count: 2,
    });
    const { total_duration, load_duration, prompt_eval_duration, eval_duration } = last(heard)!;
    for (const part of [load_duration, prompt_eval_duration, eval_duration]) {
      expect(Number.isInteger(part)).toBe(true);
      expect(part).toBeGreaterThan(0);
      expect(part).toBeLessThan(total_duration);
    }
    expect(total_duration).toBeLessThanOrEqual(heard.totalMs * 1e6);
  });

  it('has the shape of a chat when it was asked for in one', async () => {
    const heard = await ask(await start(), '/api/chat', {
      model: 'Demo:latest',
      messages: [{ role: 'user', content: 'Hi' }],
    });
    expect(heard.lines.map(({ message }) => message.content).join('')).toBe(GUIDE);
    for (const line of heard.lines) {
      expect(line.model).toBe('Demo:latest');
      expect(line.message.role).toBe('assistant');
      expect(line).not.toHaveProperty('response');
    }
    expect(last(heard)).not.toHaveProperty('context');
  });

  it('is recited under a further name too', async () => {
    const fake = await start({ models: ['llama3.2'] });
    const heard = await ask(fake, '/api/generate', { model: 'llama3.2', prompt: 'Hi' });
    expect(joined(heard)).toBe(GUIDE);
  });

  it('echoes a prompt exactly, and cuts no character in two', async () => {
    const prompt = TRICKY.repeat(20) + '世'.repeat(500) + '𝒳'.repeat(99);
    const heard = await echo(await start(), prompt);
    expect(joined(heard)).toBe(prompt);
    expect(heard.lines.length).toBeGreaterThan(100);
    for (const { response } of heard.lines) expect(Buffer.from(response).toString()).toBe(response);
    expect(heard.text).toContain('\\u003cb\\u003e\\u0026');
    expect(heard.text).not.toContain('\u2028');
  });

  it('echoes the last user message of a chat', async () => {
    const heard = await ask(await start(), '/api/chat', {
      model: 'echo',
      messages: [
        { role: 'user', content: 'first' },
        { role: 'USER', content: TRICKY },
        { role: 'assistant', content: 'other' },
      ],
    });
    expect(heard.lines.map(({ message }) => message.content).join('')).toBe(TRICKY);
  });

  it('is one object with stream: false', async () => {
    const heard = await echo(await start(), TRICKY, { stream: false });
    expect(heard.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(heard.text.endsWith('}')).toBe(true);
    expect(heard.lines).toHaveLength(1);
    expect(last(heard)).toMatchObject({ response: TRICKY, done: true, done_reason: 'stop' });
    expect(last(heard)?.eval_count).toBeGreaterThan(1);
  });

  it('stops at num_predict', async () => {
    const heard = await echo(await start(), 'a b c d e', { options: { num_predict: 2.9 } });
    expect(joined(heard)).toBe('a b');
    expect(last(heard)).toMatchObject({ done_reason: 'length', eval_count: 2 });
  });

  it('keeps its context to itself when raw, and does not mind unknown fields', async () => {
    const heard = await echo(await start(), 'a', { raw: true, template_: 1, options: { x: 1 } });
    expect(last(heard)).toMatchObject({ done_reason: 'stop' });
    expect(last(heard)).not.toHaveProperty('context');
  });

  it('takes a body of many chunks', async () => {
    const images = ['A'.repeat(2 * 1024 * 1024)];
    expect(joined(await echo(await start(), 'seen', { images }))).toBe('seen');
  });
});

describe('loading and unloading', () => {
  it.each([
    ['/api/generate', { prompt: '' }],
    ['/api/chat', { messages: [] }],
  ])('%s without a question loads and unloads the model', async (path, empty) => {
    const fake = await start();
    expect(await loadedNames(fake)).toEqual([]);
    const load = await ask(fake, path, { model: 'demo', ...empty });
    expect(load.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(last(load)).toMatchObject({ done: true, done_reason: 'load' });
    expect(last(load)).not.toHaveProperty('total_duration');
    expect(await loadedNames(fake)).toEqual(['demo:latest']);
    const unload = await ask(fake, path, { model: 'demo', keep_alive: 0, ...empty });
    expect(last(unload)).toMatchObject({ done: true, done_reason: 'unload' });
    expect(await loadedNames(fake)).toEqual([]);
  });

  it('keeps a model as long as the latest request wished', async () => {
    const fake = await start();
    await echo(fake, 'a', { keep_alive: -1 });
    await ask(fake, '/api/generate', { model: 'demo', prompt: 'a', keep_alive: '1m' });
    expect(await loadedNames(fake)).toEqual(['echo:latest', 'demo:latest']);
    await echo(fake, 'a', { keep_alive: '0s' });
    await ask(fake, '/api/generate', { model: 'demo', prompt: 'a', keep_alive: 0.05 });
    await sleep(60);
    expect(await loadedNames(fake)).toEqual([]);
  });

  it('--load-ms delays the first use only, and shows in load_duration', async () => {
    const fake = await start({ loadMs: 150 });
    const cold = await echo(fake, 'a');
    expect(cold.headersMs).toBeGreaterThan(145);
    expect(last(cold)?.load_duration).toBeGreaterThanOrEqual(150e6);
    // The machine may stand still while one of them is measured.
    const warm: number[] = [];
    for (let times = 0; times < 5; times++) warm.push(last(await echo(fake, 'a'))!.load_duration);
    expect(Math.min(...warm)).toBeLessThan(100e6);
  });

  it('gives up a load that nobody waits for', async () => {
    const fake = await start({ loadMs: 60_000 });
    const out = send(fake, '/api/generate', { model: 'echo', prompt: 'a' });
    out.on('error', () => {});
    await eventually(async () => (await loadedNames(fake)).length === 1);
    out.destroy();
    await eventually(async () => (await loadedNames(fake)).length === 0);
  });
});

describe('refusals', () => {
  const message = { role: 'user', content: 'a' };
  it.each<[string, string, unknown, number, string]>([
    ['an empty body', '/api/chat', '', 400, 'missing request body'],
    ['no model in a chat', '/api/chat', {}, 400, 'model is required'],
    ['no model to show', '/api/show', {}, 400, 'model is required'],
    ['no model to generate with', '/api/generate', {}, 404, "model '' not found"],
    ['an unknown model', '/api/generate', { model: 'x' }, 404, "model 'x' not found"],
    ['an unknown tag', '/api/chat', { model: 'demo:7b' }, 404, "model 'demo:7b' not found"],
    ['an unknown model to show', '/api/show', { model: 'x' }, 404, "model 'x' not found"],
    [
      'thinking',
      '/api/chat',
      { model: 'demo', messages: [message], think: true },
      400,
      '"demo" does not support thinking',
    ],
    [
      'tools',
      '/api/chat',
      { model: 'demo', messages: [message], tools: [{}] },
      400,
      'registry.ollama.ai/library/demo:latest does not support tools',
    ],
    [
      'content in parts',
      '/api/chat',
      { model: 'demo', messages: [{ role: 'user', content: [] }] },
      400,
      'json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string',
    ],
    [
      'a number without a unit as keep_alive',
      '/api/chat',
      { model: 'demo', keep_alive: '300' },
      400,
      'time: missing unit in duration "300"',
    ],
    [
      'a num_predict that is no number',
      '/api/generate',
      { model: 'demo', prompt: 'a', options: { num_predict: '9' } },
      500,
      'option "num_predict" must be of type integer',
    ],
  ])('answers %s as Ollama does', async (_, path, body, status, error) => {
    const heard = await ask(await start(), path, body, 'POST');
    expect(heard.headers['content-type']).toBe('application/json; charset=utf-8');
    expect([heard.status, JSON.parse(heard.text)]).toEqual([status, { error }]);
  });

  it('answers bad JSON with 400', async () => {
    const heard = await ask(await start(), '/api/generate', '{"model":');
    expect(heard.status).toBe(400);
    expect(last(heard)?.error).toMatch(/^invalid JSON/);
  });

  it('answers unknown paths and wrong methods in plain text', async () => {
    const fake = await start();
    const unknown = await ask(fake, '/api/nothing');
    expect([unknown.status, unknown.text]).toEqual([404, '404 page not found']);
    expect(unknown.headers['content-type']).toMatch(/^text\/plain/);
    const wrong = await ask(fake, '/api/chat');
    expect([wrong.status, wrong.text]).toEqual([405, '405 method not allowed']);
    expect(wrong.headers['content-type']).toMatch(/^text\/plain/);
  });

  it('answers a body of more than 32 MiB with 413', async () => {
    const heard = await echo(await start(), 'a'.repeat(32 * 1024 * 1024));
    expect(heard.status).toBe(413);
  });
});

describe('pace', () => {
  it('--rate is the number of tokens a second, without drift', async () => {
    const heard = await within(2_500, echo(await start({ rate: 50 }), 'x '.repeat(30)));
    const { eval_count, eval_duration } = last(heard)!;
    expect(eval_count).toBe(31);
    expect(heard.totalMs).toBeGreaterThan(600);
    expect(eval_duration / 1e6).toBeGreaterThanOrEqual(620);
    expect(eval_duration / 1e6).toBeLessThan(heard.totalMs);
    expect(heard.pieces.length).toBeGreaterThan(1);
  });

  it('--first-token-ms holds the headers back too', async () => {
    const heard = await echo(await start({ firstTokenMs: 120 }), 'a');
    expect(heard.headersMs).toBeGreaterThan(115);
    expect(last(heard)?.prompt_eval_duration).toBeGreaterThanOrEqual(120e6);
  });

  it('--jitter makes tokens late by a share of the gap, and --seed repeats it', () => {
    const times = (options: FakeOllamaOptions) => {
      const switches = resolveSwitches({ rate: 100, ...options });
      return Array.from({ length: 200 }, (_, i) => dueMs(i, switches));
    };
    expect(times({})).toEqual(Array.from({ length: 200 }, (_, i) => i * 10));
    const late = times({ jitter: 0.5, seed: 7 }).map((at, i) => at - i * 10);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...late)).toBeLessThan(5);
    expect(new Set(late.map((ms) => ms.toFixed(6))).size).toBeGreaterThan(150);
    expect(times({ jitter: 0.5, seed: 7 })).toEqual(times({ jitter: 0.5, seed: 7 }));
    expect(times({ jitter: 0.5, seed: 8 })).not.toEqual(times({ jitter: 0.5, seed: 7 }));
  });

  it('at full speed still lets others have their turn', async () => {
    const fake = await start();
    let done = false;
    const long = echo(fake, 'word '.repeat(5000)).then(() => (done = true));
    await ask(fake, '/api/version');
    expect(done).toBe(false);
    await long;
  });
});

describe('faults', () => {
  it.each([1, 7, 1000])('--split-bytes %d cuts the stream anywhere', async (splitBytes) => {
    const fake = await start({ splitBytes });
    const heard = await echo(fake, TRICKY.repeat(5));
    expect(joined(heard)).toBe(TRICKY.repeat(5));
    expect(last(heard)?.done).toBe(true);
    const sizes = heard.pieces.map(({ length }) => length);
    expect(new Set(sizes.slice(0, -1))).toEqual(new Set([splitBytes]));
    expect(sizes.at(-1)).toBeLessThanOrEqual(splitBytes);
  });

  it.each([0, 3])('--truncate-after %d ends cleanly without a last line', async (n) => {
    const heard = await echo(await start({ truncateAfter: n }), 'a b c d e');
    expect([heard.status, heard.complete, heard.lines.length]).toEqual([200, true, n]);
    expect(heard.headers['content-type']).toBe('application/x-ndjson');
    expect(last(heard)?.done).not.toBe(true);
  });

  it('--truncate-after leaves a whole answer undone', async () => {
    const heard = await echo(await start({ truncateAfter: 2 }), 'a b c', { stream: false });
    expect(heard.status).toBe(200);
    expect(last(heard)).toMatchObject({ response: 'a b', done: false });
    expect(last(heard)).not.toHaveProperty('done_reason');
  });

  it.each([0, 7])('--reset-after 3 kills the connection (pieces of %d)', async (splitBytes) => {
    const heard = await echo(await start({ resetAfter: 3, splitBytes }), 'a b c d e');
    expect([heard.status, heard.complete, joined(heard)]).toEqual([200, false, 'a b c']);
  });

  it.each([true, false])('--reset-after 0 gives no answer at all (stream: %s)', async (stream) => {
    await expect(echo(await start({ resetAfter: 0 }), 'a', { stream })).rejects.toThrow('hang up');
  });

  it.each([0, 7])('--error-after 2 writes an error line (pieces of %d)', async (splitBytes) => {
    const heard = await echo(await start({ errorAfter: 2, splitBytes }), 'a b c');
    expect([heard.status, heard.complete, heard.lines.length]).toEqual([200, true, 3]);
    expect(last(heard)).toEqual({ error: CRASH });
  });

  it('--error-after 0 is an HTTP 500', async () => {
    const heard = await echo(await start({ errorAfter: 0 }), 'a b c');
    expect([heard.status, heard.text]).toEqual([500, JSON.stringify({ error: CRASH })]);
    expect(heard.headers['content-type']).toBe('application/json');
  });

  it('--error-after is an HTTP 500 too while nothing has been sent', async () => {
    const heard = await echo(await start({ errorAfter: 2 }), 'a b c', { stream: false });
    expect([heard.status, last(heard)]).toEqual([500, { error: CRASH }]);
  });

  it('a fault beyond the end never happens', async () => {
    const heard = await echo(await start({ resetAfter: 4, errorAfter: 9 }), 'a b c');
    expect(last(heard)).toMatchObject({ done: true, done_reason: 'stop' });
  });

  it('--busy answers 503', async () => {
    const heard = await echo(await start({ busy: true }), 'a');
    expect([heard.status, last(heard)]).toEqual([
      503,
      { error: 'server busy, please try again.  maximum pending requests exceeded' },
    ]);
  });

  it('--hang never answers, but the server stays reachable', async () => {
    const fake = await start({ hang: true });
    const answered = echo(fake, 'a').then(
      () => 'answered',
      () => 'closed',
    );
    expect(await Promise.race([answered, sleep(150, 'silent')])).toBe('silent');
    expect((await ask(fake, '/api/version')).status).toBe(200);
    await fake.close();
    expect(await answered).toBe('closed');
  });
});

describe('the line', () => {
  it('lets one run at a time by default, the others in order and without headers', async () => {
    const fake = await start({ rate: 100 });
    const order: string[] = [];
    const answers: Promise<unknown>[] = [];
    const begun = performance.now();
    // One after the other, however long a turn of the event loop takes.
    for (const name of ['a', 'b', 'c']) {
      const out = send(fake, '/api/generate', { model: 'echo', prompt: 'x '.repeat(9) });
      out.once('response', () => order.push(`${name} begins`));
      answers.push(hear(out).then(() => order.push(`${name} ends`)));
      await once(out, 'finish');
      await sleep(5);
    }
    await Promise.all(answers);
    expect(order).toEqual(['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]));
    // An answer takes 90 ms.
    expect(performance.now() - begun).toBeGreaterThan(240);
  });

  it('--parallel lets more run at once', async () => {
    const fake = await start({ rate: 20, parallel: 3 });
    const order: string[] = [];
    const run = async (): Promise<void> => {
      const out = send(fake, '/api/generate', { model: 'echo', prompt: 'x '.repeat(30) });
      out.once('response', () => order.push('begins'));
      await hear(out);
      order.push('ends');
    };
    await Promise.all([run(), run(), run()]);
    expect(order).toEqual(['begins', 'begins', 'begins', 'ends', 'ends', 'ends']);
  });

  it('passes the place of a client that leaves on to the next one', async () => {
    const fake = await start({ firstTokenMs: 1_000 });
    const outs = ['a', 'b', 'c'].map((prompt) => {
      const out = send(fake, '/api/generate', { model: 'echo', prompt });
      out.on('error', () => {});
      return out;
    });
    const heard = hear(outs[2]!);
    await sleep(40);
    outs[1]!.destroy();
    outs[0]!.destroy();
    // That it waited for the first one, too, would be seen by the second second.
    const { headersMs } = await within(1_990, heard);
    expect(headersMs).toBeGreaterThan(995);
  });

  it('forgets who leaves it, at once and without a trace', async () => {
    const slots = new Slots(1);
    const [stays, leaves] = [new AbortController(), new AbortController()];
    const order: string[] = [];
    const first = slots.use(stays.signal, () => sleep(30).then(() => void order.push('first')));
    const second = slots.use(leaves.signal, async () => void order.push('second'));
    const third = slots.use(stays.signal, async () => void order.push('third'));
    leaves.abort();
    await expect(second).rejects.toThrow('abort');
    expect(order).toEqual([]);
    expect(getEventListeners(leaves.signal, 'abort')).toEqual([]);
    await Promise.all([first, third]);
    expect(order).toEqual(['first', 'third']);
    expect(getEventListeners(stays.signal, 'abort')).toEqual([]);
  });

  it('a wait ends at once when the client disconnects, without a trace', async () => {
    const gone = new AbortController();
    const waiting = until(Infinity, gone.signal);
    gone.abort();
    await expect(waiting).rejects.toThrow('abort');
    expect(getEventListeners(gone.signal, 'abort')).toEqual([]);
  });

  it('stops generating at once when the client disconnects', async () => {
    const fake = await start({ rate: 20 });
    const out = send(fake, '/api/generate', { model: 'demo', prompt: 'a' });
    const [incoming] = (await once(out, 'response')) as [IncomingMessage];
    incoming.on('error', () => {});
    await once(incoming, 'data');
    const waiting = echo(fake, 'a');
    await sleep(50);
    out.destroy();
    // The answer would take 10 s more.
    await within(5_000, waiting);
  });

  it('does not run ahead of a client that does not read', async () => {
    const fake = await start();
    const slow = connect(fake.port, '127.0.0.1').pause();
    const body = JSON.stringify({ model: 'echo', prompt: 'word '.repeat(100_000) });
    slow.write(
      `POST /api/generate HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await eventually(async () => (await loadedNames(fake)).length === 1);
    const next = echo(fake, 'a').then(() => 'answered');
    expect(await Promise.race([next, sleep(400, 'waiting')])).toBe('waiting');
    slow.destroy();
    expect(await next).toBe('answered');
  });
});

describe('start and close', () => {
  it('close destroys running answers and idle connections at once, and may be repeated', async () => {
    const fake = await start({ rate: 1 });
    const idle = connect(fake.port, '127.0.0.1');
    await once(idle, 'connect');
    const idleClosed = once(idle.resume(), 'close');
    const out = send(fake, '/api/generate', { model: 'demo', prompt: 'a' });
    const [incoming] = (await once(out, 'response')) as [IncomingMessage];
    const cut = once(incoming.resume(), 'error');
    await within(10_000, fake.close());
    await Promise.all([cut, idleClosed, fake.close()]);
  });

  it('rejects when the port is taken', async () => {
    const { port } = await start();
    await expect(start({ port })).rejects.toThrow('EADDRINUSE');
  });
});

describe('switches', () => {
  it('come from the command line', () => {
    expect(readArguments(['--port', '0', '--models', 'a,b:1', '--rate=2.5', '--busy'])).toEqual({
      ...resolveSwitches({}),
      port: 0,
      models: ['a', 'b:1'],
      rate: 2.5,
      busy: true,
    });
  });

  it.each([
    ['--port', ['--port', '70000']],
    ['--port', ['--port', '--busy']],
    ['--rate', ['--rate', 'fast']],
    ['--rate', ['--rate']],
    ['--rate', ['--rate=']],
    ['--jitter', ['--jitter', '1.5']],
    ['--parallel', ['--parallel', '0']],
    ['--first-token-ms', ['--first-token-ms', '-1']],
    ['--truncate-after', ['--truncate-after', '1.5']],
    ['--models', ['--models', 'a,,b']],
    ['--busy', ['--busy=yes']],
    ['--speed', ['--speed', '3']],
    ['"demo"', ['demo']],
  ])('a wrong one is one sentence that names %s', (name, args) => {
    expect(() => readArguments(args)).toThrow(/^[^.]*( llama3\.2 )?[^.]*\.$/);
    expect(() => readArguments(args)).toThrow(name);
  });

  it('are all in the help', () => {
    expect(readArguments(['-h', '--busy'])).toBe('help');
    const names = Object.keys(resolveSwitches({})).map((name) =>
      name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    );
    for (const name of names) expect(helpText()).toContain(`\n  --${name} `);
  });

  it('are checked as options too', async () => {
    await expect(startFakeOllama({ rate: -1 })).rejects.toThrow('--rate must be a number from 0');
  });
});
