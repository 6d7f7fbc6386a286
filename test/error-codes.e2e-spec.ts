import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { HttpErrorFilter } from '../src/http/http-error-filter.js';
import { ERRORS } from '../src/protocol/errors.js';
import { type ErrorCode, errorCode } from '../src/protocol/errors.js';
import { type TerminalRecord } from '../src/protocol/terminal-record.js';
import { NOBODY, startApp } from './support/app.js';
import { Client } from './support/client.js';
import { type Answer, call } from './support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';

/** Stands in everything the upstream says of its failures, and may not come out. */
const UPSTREAM = 'UPSTREAM-WORDS http://10.1.2.3:11434/srv';

type Env = Record<string, string | number>;
type Script = (request: UpstreamCall) => void;
const refuse =
  (status: number, text = ''): Script =>
  (request) =>
    request.json(status, { error: `${text} ${UPSTREAM}` });
const fail =
  (text: string): Script =>
  (request) =>
    request.line({ error: `${text} ${UPSTREAM}` }).end();
const hang: Script = () => undefined;

/** code → whether a client may try again → what the upstream does → settings it takes */
const RECORDS: [ErrorCode, boolean, Script, Env?][] = [
  ['upstream_unreachable', true, (request) => request.reset()],
  ['upstream_rejected', false, refuse(400, 'invalid options')],
  ['upstream_unauthorized', false, refuse(401)],
  ['upstream_quota_exceeded', false, refuse(402)],
  ['upstream_quota_exceeded', false, refuse(429, 'you exceeded your current quota')],
  ['upstream_forbidden', false, refuse(403)],
  ['upstream_not_found', false, refuse(404, 'page not found')],
  ['model_not_found', false, refuse(404, "model 'llama3.2' not found")],
  ['context_overflow', false, refuse(400, 'the input exceeds the available context size')],
  ['upstream_rate_limited', true, refuse(429)],
  ['upstream_busy', true, refuse(503, 'server busy, please try again')],
  [
    'upstream_loading',
    true,
    refuse(503, 'llm server loading model'),
    { FIRST_BYTE_TIMEOUT_MS: 300 },
  ],
  ['upstream_error', true, refuse(500, 'llama runner process has terminated')],
  ['upstream_error', true, fail('an error was encountered while running the model')],
  ['upstream_out_of_memory', true, refuse(500, 'cudaMalloc failed: out of memory')],
  ['upstream_timeout', false, refuse(504)],
  ['first_byte_timeout', false, hang, { FIRST_BYTE_TIMEOUT_MS: 200 }],
  [
    'idle_timeout',
    false,
    (request) => request.write('\n'),
    { FIRST_BYTE_TIMEOUT_MS: 200, IDLE_TIMEOUT_MS: 200 },
  ],
  ['generation_timeout', false, hang, { GENERATION_TIMEOUT_MS: 200 }],
  ['upstream_truncated', true, (request) => request.end()],
  ['upstream_truncated', true, (request) => request.end('{"response":')],
  ['upstream_protocol_error', false, (request) => request.end(`${UPSTREAM}\n`)],
  ['line_too_long', false, (request) => request.end('x'.repeat(2000)), { MAX_LINE_BYTES: 1024 }],
  [
    'bad_content_type',
    false,
    (request) => request.head(200, { 'content-type': 'text/html' }).end(UPSTREAM),
  ],
  ['output_too_large', false, (request) => request.text('two').end(), { MAX_OUTPUT_BYTES: 2 }],
];

/** What a refusal's table row may use. */
interface Here {
  url: string;
  client: Client;
  upstream: ScriptedUpstream;
  /** POST /llm/generate for that client. */
  generate: (body?: object, headers?: Record<string, string>) => Promise<Answer>;
}
const view = ({ url }: Here): Promise<Answer> =>
  call('GET', `${url}/llm/generations/AAAAAAAAAAAAAAAAAAAAAA`);

/** code → HTTP status → whether a client may try again → the request → settings it takes */
const REFUSALS: [ErrorCode, number, boolean, (here: Here) => Promise<Answer>, Env?][] = [
  ['invalid_request', 400, false, ({ generate }) => generate({ prompt: 7 })],
  ['forbidden', 403, false, ({ generate }) => generate({ model: 'x' }), { ALLOWED_MODELS: 'a' }],
  ['client_not_found', 404, false, ({ generate }) => generate({ clientId: 'nobody' })],
  ['generation_not_found', 404, false, view],
  ['not_found', 404, false, ({ url }) => call('GET', `${url}/nowhere`)],
  ['method_not_allowed', 405, false, ({ url }) => call('GET', `${url}/llm/generate`)],
  [
    'idempotency_conflict',
    409,
    false,
    async ({ generate }) => {
      await generate({}, { 'idempotency-key': 'k' });
      return generate({ prompt: 'y' }, { 'idempotency-key': 'k' });
    },
  ],
  [
    'payload_too_large',
    413,
    false,
    ({ generate }) => generate({ prompt: 'x'.repeat(2000) }),
    { MAX_BODY_BYTES: 1024 },
  ],
  [
    'unsupported_media_type',
    415,
    false,
    ({ generate }) => generate({}, { 'content-type': 'text/plain' }),
  ],
  [
    'rate_limited',
    429,
    true,
    async ({ generate }) => {
      await generate();
      await generate();
      return generate();
    },
    { MAX_QUEUE_PER_USER: 1 },
  ],
  [
    'queue_full',
    503,
    true,
    async ({ generate }) => {
      await generate();
      return generate();
    },
    { MAX_QUEUE: 0 },
  ],
];

/** Reached by tests of their own: here or in another file. */
const ELSEWHERE: Partial<Record<ErrorCode, string>> = {
  internal: 'error-codes.e2e-spec.ts',
  queue_timeout: 'error-codes.e2e-spec.ts',
  tool_call_incomplete: 'error-codes.e2e-spec.ts',
  node_shutdown: 'shutdown.e2e-spec.ts',
  shutting_down: 'shutdown.e2e-spec.ts',
  unauthorized: 'authentication.e2e-spec.ts',
  auth_expired: 'authentication.e2e-spec.ts',
  quota_exceeded: '../src/access/usage-limits.spec.ts',
  node_lost: 'cluster-handover.e2e-spec.ts',
  store_unavailable: 'cluster-faults.e2e-spec.ts',
};

/** Runs a test against servers of its own: no row sees what another has left behind. */
async function within(env: Env, test: (here: Here) => Promise<void>): Promise<void> {
  const upstream = await ScriptedUpstream.start();
  const app = await startApp({ OLLAMA_BASE_URL: upstream.url, ...env });
  const client = await Client.connect(app.socketUrl);
  const generate: Here['generate'] = (body, headers) =>
    call('POST', `${app.url}/llm/generate`, { clientId: client.id, prompt: 'x', ...body }, headers);
  try {
    await test({ url: app.url, client, upstream, generate });
  } finally {
    client.close();
    await app.close();
    await upstream.close();
  }
}

/** The end of a generation whose every attempt the upstream answers with the script. */
async function ending(
  { client, upstream }: Here,
  id: string,
  script: Script,
): Promise<TerminalRecord> {
  let answered = 0;
  await client.until(() => {
    for (const request of upstream.calls.slice(answered)) {
      answered++;
      script(request);
    }
    return client.of(id).some((record) => 'state' in record);
  });
  return client.ended(id);
}

describe('error codes', () => {
  it('are each provoked here or in the file that is named for it', () => {
    const here = [...RECORDS, ...REFUSALS].map(([code]) => code);
    const elsewhere = Object.keys(ELSEWHERE);
    expect(new Set([...here, ...elsewhere])).toEqual(new Set(errorCode.options));
    for (const [code, file] of Object.entries(ELSEWHERE)) {
      const spec = readFileSync(new URL(file, import.meta.url), 'utf8');
      expect(spec.match(new RegExp(`'${code}'`, 'g'))?.length).toBeGreaterThan(0);
    }
  });

  it.each(RECORDS)(
    '%s ends a generation, retryable %s, with a word of the upstream only where it refused',
    (code, retryable, script, env = {}) =>
      within(env, async (here) => {
        const { status, body } = await here.generate();
        expect(status).toBe(201);
        const terminal = await ending(here, body.generationId, script);
        expect(terminal).toEqual({
          generationId: body.generationId,
          seq: 1,
          error: 'Streaming error',
          state: 'failed',
          code,
          // A refusal has its reason behind it.
          detail: expect.stringContaining(ERRORS[code].message),
          retryable,
          bytes: 0,
          sha256: expect.any(String),
        });
        const { detail } = terminal as { detail: string };
        // Never an address or a path.
        expect(detail).not.toMatch(/10\.1\.2\.3|srv/);
        if (detail !== ERRORS[code].message) expect(detail).toMatch(/ It said: .+/);
        const view = await call('GET', `${here.url}/llm/generations/${body.generationId}`);
        expect(view.body).toMatchObject(terminal);
      }),
  );

  it.each(REFUSALS)(
    '%s refuses a request with %i, retryable %s',
    (code, status, retryable, ask, env = {}) =>
      within(env, async (here) => {
        const answer = await ask(here);
        expect(answer.status).toBe(status);
        expect(answer.body).toMatchObject({ statusCode: status, code, retryable });
        // A refusal that may be tried again says when.
        const retryAfterMs: unknown = answer.body.retryAfterMs;
        expect(typeof retryAfterMs).toBe(retryable ? 'number' : 'undefined');
        const seconds = retryable ? String(Math.ceil(Number(retryAfterMs) / 1000)) : null;
        expect(answer.headers.get('retry-after')).toBe(seconds);
      }),
  );

  it('upstream_unreachable is 503 on /llm/version and a record of an accepted generation', () =>
    within({ OLLAMA_BASE_URL: NOBODY }, async ({ url, client, generate }) => {
      const version = await call('GET', `${url}/llm/version`);
      expect(version).toMatchObject({
        status: 503,
        body: {
          statusCode: 503,
          code: 'upstream_unreachable',
          message: ERRORS.upstream_unreachable.message,
          retryable: true,
        },
      });
      const { status, body } = await generate();
      expect(status).toBe(201);
      expect(await client.ended(body.generationId)).toMatchObject({
        seq: 1,
        state: 'failed',
        code: 'upstream_unreachable',
        retryable: true,
      });
    }));

  it('queue_timeout ends a generation whose turn did not come', () =>
    within({ QUEUE_TIMEOUT_MS: 200 }, async ({ client, upstream, generate }) => {
      await generate();
      const { body } = await generate();
      expect(await client.ended(body.generationId)).toMatchObject({
        seq: 1,
        state: 'failed',
        code: 'queue_timeout',
        detail: ERRORS.queue_timeout.message,
        retryable: true,
      });
      expect(upstream.calls).toHaveLength(1);
    }));

  it.each<[ErrorCode, Script]>([
    ['upstream_truncated', (request) => request.end()],
    ['upstream_truncated', (request) => request.reset()],
    ['upstream_error', fail('something went wrong')],
    ['upstream_out_of_memory', fail('out of memory')],
  ])('%s is not retryable once a record was appended', (code, provoke) =>
    within({}, async ({ client, upstream, generate }) => {
      const { body } = await generate();
      const request = await upstream.nextCall();
      request.text('kept');
      await client.until(() => client.of(body.generationId).length === 1);
      provoke(request);
      const terminal = await client.ended(body.generationId);
      expect(terminal).toMatchObject({ seq: 2, code, retryable: false, bytes: 4 });
      expect(ERRORS[code].retryable).toBe(true);
    }),
  );

  it("passes on an upstream's Retry-After", () =>
    within({}, async (here) => {
      const { body } = await here.generate();
      const later: Script = (request) => request.head(429, { 'retry-after': '120' }).end();
      expect(await ending(here, body.generationId, later)).toMatchObject({
        code: 'upstream_rate_limited',
        retryAfterMs: 120_000,
      });
    }));

  it("says which ability a model lacks, in words of its own and the server's", () =>
    within({}, async (here) => {
      const { body } = await here.generate();
      const unable = refuse(400, '"llama3.2" does not support thinking');
      expect(await ending(here, body.generationId, unable)).toMatchObject({
        code: 'upstream_rejected',
        detail:
          'The model does not support thinking. It said: "llama3.2" does not support thinking UPSTREAM-WORDS …',
      });
    }));

  it('tool_call_incomplete ends an answer that stops inside a tool call', async () => {
    const openAi = await ScriptedUpstream.start();
    const half = { index: 0, id: 'a', function: { name: 'f', arguments: '{"city":' } };
    const chunks = [{ delta: { tool_calls: [half] } }, { delta: {}, finish_reason: 'tool_calls' }];
    const events = chunks.map((choice) => `data: ${JSON.stringify({ choices: [choice] })}\n\n`);
    const script: Script = (request) =>
      request.path === '/v1/models'
        ? request.json(200, { object: 'list', data: [{ id: 'm' }] })
        : request
            .head(200, { 'content-type': 'text/event-stream' })
            .end(`${events.join('')}data: [DONE]\n\n`);
    const env = { OLLAMA_BASE_URL: '', OPENAI_BASE_URL: openAi.url, OPENAI_MODEL: 'm' };
    await within(env, async (here) => {
      const answer = await here.client.ask('chat', { messages: [{ role: 'user', content: 'x' }] });
      const id = answer.ok ? answer.generationId : '';
      expect(await ending({ ...here, upstream: openAi }, id, script)).toMatchObject({
        state: 'failed',
        code: 'tool_call_incomplete',
        retryable: false,
      });
    });
    await openAi.close();
  });

  it('internal says nothing of the mistake', async () => {
    @Controller()
    class Mistaken {
      @Get()
      get(): never {
        throw new Error(UPSTREAM);
      }
    }
    @Module({ controllers: [Mistaken] })
    class MistakenModule {}
    const app = await NestFactory.create(MistakenModule, { logger: false, abortOnError: false });
    const lifecycle = { tell: () => undefined };
    app.useGlobalFilters(new HttpErrorFilter(() => false, lifecycle));
    await app.listen(0, '127.0.0.1');
    try {
      const { port } = app.getHttpServer().address() as AddressInfo;
      expect(await call('GET', `http://127.0.0.1:${port}/`)).toMatchObject({
        status: 500,
        body: {
          statusCode: 500,
          code: 'internal',
          message: 'The server made a mistake.',
          retryable: false,
        },
      });
    } finally {
      await app.close();
    }
  });
});
