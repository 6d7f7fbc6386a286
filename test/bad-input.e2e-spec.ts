import * as fc from 'fast-check';
import { z } from 'zod';
import type { ErrorCode } from '../src/protocol/errors.js';
import { refusal } from '../src/protocol/refusal.js';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { PATIENCE_MS } from './support/until.js';

/** Stands for what the user wrote, in every value that a test sends. */
const SAID = 'Zebra-secret-4711';
const HELLO = { prompt: SAID };
const TALK = { messages: [{ role: 'user', content: SAID }] };
const UNKNOWN_ID = 'AAAAAAAAAAAAAAAAAAAAAA';

/** The contract's fields and no other. */
const overHttp = z.strictObject({ ...refusal.shape, statusCode: z.int() });
const inAck = z.strictObject(refusal.shape).omit({ statusCode: true });

/** [why it is refused, what is sent besides or instead of the good fields, path of the wrong one] */
type Wrong = [string, unknown, string];
const wrongAnywhere = (good: object): Wrong[] => [
  ['an array', [good, SAID], ''],
  ['an unknown field', { ...good, promt: SAID }, 'promt'],
  ['an endpoint, which is the path', { ...good, endpoint: 'pull' }, 'endpoint'],
  ['a keep_alive of its own', { ...good, keep_alive: '24h' }, 'keep_alive'],
  [
    'a __proto__ field',
    JSON.parse(`{"__proto__":{},${JSON.stringify(good).slice(1)}`),
    '__proto__',
  ],
  ['a constructor field', { ...good, constructor: SAID }, 'constructor'],
  ['a model that is a number', { ...good, model: 7 }, 'model'],
  ['a model that ends with a blank', { ...good, model: `${SAID} ` }, 'model'],
  ['a format that is another word', { ...good, format: SAID }, 'format'],
  ['a format that is an array', { ...good, format: [SAID] }, 'format'],
  ['a think level of its own', { ...good, think: SAID }, 'think'],
  ['an onDisconnect of its own', { ...good, onDisconnect: SAID }, 'onDisconnect'],
  ['options that are an array', { ...good, options: [SAID] }, 'options'],
  ['options that are null', { ...good, options: null }, 'options'],
  ['a load-time option', { ...good, options: { num_ctx: 8192 } }, 'options.num_ctx'],
  [
    'keep_alive among the options',
    { ...good, options: { keep_alive: SAID } },
    'options.keep_alive',
  ],
  ['an option as text', { ...good, options: { temperature: SAID } }, 'options.temperature'],
  ['a seed with a fraction', { ...good, options: { seed: 1.5 } }, 'options.seed'],
  ['a seed beyond 64 bits', { ...good, options: { seed: 2 ** 64 } }, 'options.seed'],
  ['an empty stop sequence', { ...good, options: { stop: [SAID, ''] } }, 'options.stop.1'],
];
const withMessage = (message: unknown): object => ({ messages: [...TALK.messages, message] });
const WRONG: Record<'generate' | 'chat', Wrong[]> = {
  generate: [
    ...wrongAnywhere(HELLO),
    ['no prompt', { system: SAID }, 'prompt'],
    ['a prompt that is null', { prompt: null }, 'prompt'],
    ['a prompt that is an object', { prompt: { text: SAID } }, 'prompt'],
    ['a system text that is an array', { ...HELLO, system: [SAID] }, 'system'],
    ['images that are not a list', { ...HELLO, images: 'AAAA' }, 'images'],
    [
      'an image with a data: prefix',
      { ...HELLO, images: ['data:image/png;base64,AAAA'] },
      'images.0',
    ],
    ['messages in a generate', { ...HELLO, ...TALK }, 'messages'],
  ],
  chat: [
    ...wrongAnywhere(TALK),
    ['no messages', { think: true }, 'messages'],
    ['messages that are an object', { messages: { 0: SAID } }, 'messages'],
    ['a message that is text', withMessage(SAID), 'messages.1'],
    ['a message that is null', withMessage(null), 'messages.1'],
    ['a role of its own', withMessage({ role: SAID, content: SAID }), 'messages.1.role'],
    ['a message without content', withMessage({ role: 'user' }), 'messages.1.content'],
    [
      'an unknown field in a message',
      withMessage({ role: 'user', content: SAID, name: SAID }),
      'messages.1.name',
    ],
    [
      'tool arguments as text',
      withMessage({
        role: 'assistant',
        content: '',
        tool_calls: [{ function: { name: 'f', arguments: SAID } }],
      }),
      'messages.1.tool_calls.0.function.arguments',
    ],
    [
      'a tool of another type',
      { ...TALK, tools: [{ type: SAID, function: { name: 'f' } }] },
      'tools.0.type',
    ],
    ['a prompt in a chat', { ...TALK, ...HELLO }, 'prompt'],
  ],
};

describe('bad input', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let client: Client;
  let heard = 0;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      MAX_BODY_BYTES: 4096,
      MAX_CONCURRENT: 16,
      MAX_PROMPT_CHARS: 100,
      ALLOWED_MODELS: 'llama3.2,other',
    });
    client = await Client.connect(app.socketUrl);
  });
  afterAll(async () => {
    client?.close();
    await app?.close();
    await upstream?.close();
  });
  beforeEach(() => {
    heard = upstream.calls.length;
  });
  // Whatever was refused: the upstream heard nothing of it, and the same client is served after it.
  afterEach(async () => {
    const prompt = `still there after ${heard} calls?`;
    const answer = await client.ask('generate', { prompt });
    await client.until(() => upstream.calls.at(-1)?.body['prompt'] === prompt);
    upstream.calls.at(-1)?.text('yes').done();
    expect(answer.ok && (await client.ended(answer.generationId)).state).toBe('completed');
    expect(upstream.calls.slice(heard, -1).map(({ body }) => body)).toEqual([]);
  });

  /** `sent` is the body as it goes over the wire. */
  const post = async (path: string, sent: RequestInit['body'], type = 'application/json') => {
    const headers: Record<string, string> = type === '' ? {} : { 'content-type': type };
    const answer = await fetch(app.url + path, {
      method: 'POST',
      headers,
      body: sent,
      duplex: 'half',
    });
    return { status: answer.status, body: await answer.json() };
  };
  const ask = (event: string, ...args: unknown[]): Promise<unknown> =>
    client.socket.timeout(PATIENCE_MS).emitWithAck(event, ...args) as Promise<unknown>;

  function expectHttp(answer: { status: number; body: unknown }, status: number, code: ErrorCode) {
    const refused = overHttp.parse(answer.body);
    expect(refused).toMatchObject({ statusCode: status, code, retryable: false });
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).not.toContain(SAID);
    return refused;
  }
  function expectAck(answer: unknown, code: ErrorCode) {
    const { error } = z.strictObject({ ok: z.literal(false), error: inAck }).parse(answer);
    expect(error).toMatchObject({ code, retryable: false });
    expect(JSON.stringify(answer)).not.toContain(SAID);
    return error;
  }

  describe.each(['generate', 'chat'] as const)('%s', (door) => {
    it.each(WRONG[door])('with %s is refused at both doors', async (_why, sent, path) => {
      const body = Array.isArray(sent) ? sent : { clientId: client.id, ...(sent as object) };
      const wrong = [{ path, message: expect.any(String) }];
      const http = await post(`/llm/${door}`, JSON.stringify(body));
      expect(expectHttp(http, 400, 'invalid_request').details).toEqual(wrong);
      expect(expectAck(await ask(door, sent), 'invalid_request').details).toEqual(wrong);
    });

    it('of a model that is not allowed is forbidden at both doors', async () => {
      const sent = { ...(door === 'chat' ? TALK : HELLO), model: `${SAID}-model` };
      const answer = await call('POST', `${app.url}/llm/${door}`, { ...sent, clientId: client.id });
      expectHttp(answer, 403, 'forbidden');
      expectAck(await ask(door, sent), 'forbidden');
    });

    it('with too much text, all fields together, is too large at both doors', async () => {
      const half = SAID.padEnd(51, '.');
      const talk = [half, half].map((content) => ({ role: 'user', content }));
      const sent = door === 'chat' ? { messages: talk } : { prompt: half, system: half };
      const answer = await call('POST', `${app.url}/llm/${door}`, { ...sent, clientId: client.id });
      expectHttp(answer, 413, 'payload_too_large');
      expectAck(await ask(door, sent), 'payload_too_large');
    });

    it('for a client that is not connected is client_not_found', async () => {
      const sent = { ...(door === 'chat' ? TALK : HELLO), clientId: 'nobody' };
      expectHttp(await post(`/llm/${door}`, JSON.stringify(sent)), 404, 'client_not_found');
    });

    it.each([
      ['no clientId', {}],
      ['a clientId that is a number', { clientId: 7 }],
      ['an empty clientId', { clientId: '' }],
    ])('over REST with %s is refused', async (_why, extra) => {
      const sent = { ...(door === 'chat' ? TALK : HELLO), ...extra };
      const { details } = expectHttp(
        await post(`/llm/${door}`, JSON.stringify(sent)),
        400,
        'invalid_request',
      );
      expect(details).toContainEqual({ path: 'clientId', message: expect.any(String) });
    });
  });

  it('names each unknown field, and says where it would be right', async () => {
    const sent = { ...HELLO, temperature: 1, stream: true, options: { think: true } };
    const { error } = (await ask('generate', sent)) as { error: unknown };
    expect(error).toMatchObject({
      details: [
        { path: 'options.think', message: 'unknown field; it stands beside options' },
        {
          path: 'temperature',
          message: 'unknown field; it stands in options, as options.temperature',
        },
        { path: 'stream', message: 'unknown field' },
      ],
    });
  });

  it.each<[string, Buffer]>([
    ['a byte that is no UTF-8', Buffer.from(`{"prompt":"${SAID} \xff"}`, 'latin1')],
    ['a character that is cut off', Buffer.from(`{"prompt":"${SAID} \xe2\x82"}`, 'latin1')],
    ['a surrogate', Buffer.from(`{"prompt":"${SAID} \xed\xa0\x80"}`, 'latin1')],
    ['Latin-1', Buffer.from(`{"prompt":"${SAID} größe"}`, 'latin1')],
  ])('a body with %s is refused', async (_why, sent) => {
    const { details } = expectHttp(await post('/llm/generate', sent), 400, 'invalid_request');
    expect(details).toEqual([{ path: '', message: 'the body is not UTF-8' }]);
  });

  it.each(['utf-16', 'utf-16le', 'utf-32', 'utf-7', 'latin1', 'nonsense'])(
    'a body in %s is unsupported',
    async (charset) => {
      const sent = JSON.stringify({ ...HELLO, clientId: client.id });
      const answer = await post('/llm/generate', sent, `application/json; charset=${charset}`);
      expectHttp(answer, 415, 'unsupported_media_type');
    },
  );

  it.each<[string, string, string]>([
    ['GET', '/llm/generate', 'POST'],
    ['PUT', '/llm/chat', 'POST'],
    ['POST', '/llm/models', 'GET, HEAD'],
    ['DELETE', '/llm/models/pull', 'POST'],
    ['PATCH', '/llm/queue', 'GET, HEAD'],
    ['POST', `/llm/generations/${UNKNOWN_ID}`, 'GET, HEAD, DELETE'],
    ['PUT', `/llm/generations/${UNKNOWN_ID}/events`, 'GET, HEAD'],
    ['DELETE', '/health/live', 'GET, HEAD'],
    ['POST', '/page.json', 'GET, HEAD'],
    ['PROPFIND', '/docs-json', 'GET, HEAD'],
  ])('%s %s is not allowed, and Allow says what is', async (method, path, allow) => {
    const answer = await fetch(app.url + path, { method });
    expect(
      expectHttp({ status: answer.status, body: await answer.json() }, 405, 'method_not_allowed'),
    );
    expect(answer.headers.get('allow')).toBe(allow);
  });

  it('a JSON Schema reaches the upstream whole, whatever its properties are called', async () => {
    const format = { type: 'object', properties: { constructor: {}, prototype: {} } };
    await client.ask('generate', { ...HELLO, format });
    await client.until(() => upstream.calls.length > heard);
    expect(upstream.calls[heard++]?.body['format']).toEqual(format);
  });

  it.each<[string, RequestInit['body'], string, number, ErrorCode]>([
    ['broken JSON', `{"prompt":"${SAID}`, 'application/json', 400, 'invalid_request'],
    ['JSON that is text', `"${SAID}"`, 'application/json', 400, 'invalid_request'],
    ['JSON that is null', 'null', 'application/json', 400, 'invalid_request'],
    ['deeply nested JSON', '['.repeat(4000), 'application/json', 400, 'invalid_request'],
    ['an empty body', '', 'application/json', 400, 'invalid_request'],
    ['no body', null, '', 400, 'invalid_request'],
    ['text', `{"prompt":"${SAID}"}`, 'text/plain', 415, 'unsupported_media_type'],
    ['a form', new URLSearchParams(HELLO), '', 415, 'unsupported_media_type'],
    ['Latin-1', '{}', 'application/json; charset=latin1', 415, 'unsupported_media_type'],
    ['a large body', SAID.repeat(300), 'application/json', 413, 'payload_too_large'],
    [
      'a large stream',
      new Blob([SAID.repeat(300)]).stream(),
      'application/json',
      413,
      'payload_too_large',
    ],
  ])('over REST, %s is refused', async (_why, sent, type, status, code) => {
    expectHttp(await post('/llm/generate', sent, type), status, code);
  });

  it.each<[string, string, number, ErrorCode]>([
    ['GET', '/nothing-here', 404, 'not_found'],
    ['GET', '/llm/generations', 404, 'not_found'],
    ['GET', '/llm/generate', 405, 'method_not_allowed'],
    ['PUT', '/llm/chat', 405, 'method_not_allowed'],
    ['DELETE', '/llm/version', 405, 'method_not_allowed'],
    ['GET', `/llm/generations/${UNKNOWN_ID}`, 404, 'generation_not_found'],
    ['DELETE', `/llm/generations/${UNKNOWN_ID}`, 404, 'generation_not_found'],
    ['GET', `/llm/generations/${UNKNOWN_ID}/events`, 404, 'generation_not_found'],
    ['GET', '/llm/generations/x', 404, 'generation_not_found'],
    ['DELETE', `/llm/generations/${'x'.repeat(5000)}`, 404, 'generation_not_found'],
    ['GET', '/llm/generations/__proto__', 404, 'generation_not_found'],
    ['GET', '/llm/generations/%00%2e%2e%2f', 404, 'generation_not_found'],
    ['GET', '/llm/generations/%E0%A4%A', 400, 'invalid_request'],
  ])('%s %.60s is refused', async (method, path, status, code) => {
    expectHttp(await call(method, app.url + path), status, code);
  });

  it.each<[string, string, unknown[], ErrorCode]>([
    ['without an argument', 'generate', [], 'invalid_request'],
    ['with null', 'generate', [null], 'invalid_request'],
    ['with text', 'chat', [SAID], 'invalid_request'],
    ['with bytes', 'generate', [Buffer.from(SAID)], 'invalid_request'],
    ['with bytes as the prompt', 'generate', [{ prompt: Buffer.from(SAID) }], 'invalid_request'],
    ['with two arguments', 'generate', [HELLO, HELLO], 'invalid_request'],
    ['with a clientId', 'generate', [{ ...HELLO, clientId: 'x' }], 'invalid_request'],
    ['with an id that is none', 'cancel', [{ generationId: SAID }], 'invalid_request'],
    ['with an unknown id', 'cancel', [{ generationId: UNKNOWN_ID }], 'generation_not_found'],
    ['with an empty idempotencyKey', 'chat', [{ ...TALK, idempotencyKey: '' }], 'invalid_request'],
    [
      'to leave with an unknown id',
      'leave',
      [{ generationId: UNKNOWN_ID }],
      'generation_not_found',
    ],
    ['to join without after', 'join', [{ generationId: UNKNOWN_ID }], 'invalid_request'],
    ['to join after text', 'join', [{ generationId: UNKNOWN_ID, after: SAID }], 'invalid_request'],
    [
      'to join with an unknown id',
      'join',
      [{ generationId: UNKNOWN_ID, after: 0 }],
      'generation_not_found',
    ],
    [
      'to send a message as a nobody',
      'send_message',
      [{ user_id: SAID, user_content: SAID }],
      'forbidden',
    ],
    ['to send a message to no one', 'send_message', [{ user_content: SAID }], 'invalid_request'],
    ['that nobody knows', 'generat', [HELLO], 'not_found'],
  ])('a socket request %s is refused in its ack', async (_why, event, sent, code) => {
    expectAck(await ask(event, ...sent), code);
  });

  it('a socket request without an ack is refused by an exception event', async () => {
    const before = client.exceptions.length;
    client.socket.emit('generate', { prompt: [SAID] });
    client.socket.emit('chat');
    client.socket.emit('cancel', { generationId: UNKNOWN_ID }, SAID);
    await client.until(() => client.exceptions.length === before + 3);
    for (const exception of client.exceptions.slice(before)) {
      expect(inAck.parse(exception).code).toBe('invalid_request');
      expect(JSON.stringify(exception)).not.toContain(SAID);
    }
  });

  it.each(['polling', 'websocket'])(
    'an oversize frame over %s closes only that socket',
    async (by) => {
      const other = await Client.connect(app.socketUrl, { transports: [by], reconnection: false });
      other.socket.emit('generate', { prompt: SAID.repeat(300) });
      await other.until(() => other.socket.disconnected);
      expect(client.socket.connected).toBe(true);
    },
  );

  it('any JSON at all is either refused in the one shape or starts a generation', async () => {
    // Without an upstream: each generation that is let through ends by itself at once.
    const other = await startApp();
    const user = await Client.connect(other.socketUrl);
    const unknown = { generationId: UNKNOWN_ID };
    const good = {
      generate: HELLO,
      chat: TALK,
      cancel: unknown,
      join: { ...unknown, after: 0 },
      leave: unknown,
      send_message: { user_id: 'ada', user_content: SAID },
    };
    const fields = ['prompt', 'messages', 'system', 'model', 'think', 'format', 'tools', 'options'];
    const junk = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<unknown>;
    const spoiled = fc.dictionary(fc.oneof(fc.constantFrom(...fields), fc.string()), junk, {
      maxKeys: 2,
    });
    const events = fc.constantFrom(...(Object.keys(good) as (keyof typeof good)[]));
    let started = 0;
    try {
      await fc.assert(
        fc.asyncProperty(
          events,
          spoiled,
          fc.option(junk, { freq: 1 }),
          async (event, spoil, instead) => {
            const request = { ...good[event], ...spoil };
            const ack = await user.ask(event, instead ?? request);
            if (ack.ok) started++;
            else expect(inAck.parse(ack.error).code).not.toBe('internal');
            const sent = instead ?? { clientId: user.id, ...request };
            const { status, body } = await call('POST', `${other.url}/llm/${event}`, sent);
            if (status === 201) started++;
            else expect(overHttp.parse(body).statusCode).toBe(status);
            expect(status).toBeLessThan(500);
          },
        ),
        { numRuns: 200 },
      );
      expect(started).toBeGreaterThan(0);
      const answer = await user.ask('generate', HELLO);
      expect(answer.ok && (await user.ended(answer.generationId)).state).toBe('failed');
    } finally {
      user.close();
      await other.close();
    }
  });
});
