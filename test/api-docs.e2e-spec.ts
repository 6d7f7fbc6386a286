import { Parser } from '@asyncapi/parser';
import { jest } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ajv } from 'ajv';
import { z } from 'zod';
import { ERRORS } from '../src/protocol/errors.js';
import { terminalRecord } from '../src/protocol/terminal-record.js';
import type { RunningServer } from '../src/server.js';
import { SocketGateway } from '../src/socket/socket.gateway.js';
import { startReachableApp } from './support/app.js';
import { Client } from './support/client.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

/** What serves the documents themselves, the page, or other people's clients is in none. */
const NOT_OF_THE_API =
  /^\/(docs.*|asyncapi\.json|doctor|page\.json|icon.*|manifest\.webmanifest|sw\.js|client\.js|assets\/.*|v1\/.*|api\/.*|ai\/.*)?$/;
/** The key under which `@SubscribeMessage` keeps the name of its event. */
const EVENT_NAME = 'message';

const schemaObject = z.record(z.string(), z.unknown());
const content = z.record(
  z.string(),
  z.object({ schema: schemaObject, examples: z.record(z.string(), z.unknown()).optional() }),
);
const operation = z.object({
  operationId: z.string().min(1),
  summary: z.string().min(1),
  parameters: z.array(
    z.object({
      name: z.string(),
      in: z.enum(['path', 'header', 'query']),
      required: z.boolean(),
      description: z.string().min(1),
      schema: schemaObject,
    }),
  ),
  requestBody: z.object({ required: z.literal(true), content }).optional(),
  responses: z.record(
    z.string().regex(/^[2-5]\d\d$/),
    z.object({ description: z.string().min(1), content: content.optional() }),
  ),
});
/** The parts of OpenAPI 3.1 that the document uses. */
const openApiDocument = z.object({
  openapi: z.literal('3.1.0'),
  info: z.object({
    title: z.string(),
    version: z.string(),
    license: z.object({ name: z.literal('MIT'), identifier: z.literal('MIT') }),
  }),
  paths: z.record(
    z.string().startsWith('/'),
    z.partialRecord(z.enum(['get', 'post', 'put', 'patch', 'delete']), operation),
  ),
  components: z.object({ schemas: z.record(z.string(), schemaObject) }),
});
type OpenApi = z.infer<typeof openApiDocument>;
type Operation = z.infer<typeof operation>;

interface AsyncApi {
  servers: Record<string, { host: string }>;
  operations: Record<
    string,
    { action: string; messages: Ref[]; reply?: { channel: Ref; messages: Ref[] } }
  >;
  components: {
    messages: Record<
      string,
      { name: string; title: string; payload: Ref; examples: { payload: unknown }[] }
    >;
    schemas: OpenApi['components']['schemas'];
  };
}
interface Ref {
  $ref: string;
}

let app: RunningServer;
let nest: INestApplication;
let upstream: ScriptedUpstream;
let rest: OpenApi;
let socket: AsyncApi;
const ajv = new Ajv({ strict: false, formats: { 'date-time': true } });

beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  const create = jest.spyOn(NestFactory, 'create');
  app = await startReachableApp({ OLLAMA_BASE_URL: upstream.url });
  nest = (await create.mock.results[0]?.value) as INestApplication;
  rest = (await call('GET', `${app.url}/docs-json`)).body;
  socket = (await call('GET', `${app.url}/asyncapi.json`)).body;
  const schemas = { ...socket.components.schemas, ...rest.components.schemas };
  ajv.addSchema({ components: { schemas } }, 'doc');
});
afterAll(async () => {
  await app?.close();
  await upstream?.close();
});

const operations = (): [string, Operation][] =>
  Object.entries(rest.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
const schemaOf = (route: string, status: number, type = 'application/json') =>
  new Map(operations()).get(route)?.responses[status]?.content?.[type]?.schema;

/** What is wrong with a value. Fails for a reference to nothing. */
const check = (schema: object, value: unknown): string[] => {
  // Every reference is into the document.
  const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"doc#/')) as object;
  return ajv.validate(absolute, value)
    ? []
    : (ajv.errors ?? []).map((error) => JSON.stringify(error));
};
/** Every `$ref` of a document, and what it points at. */
function references(document: object): [string, unknown][] {
  const found = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)];
  return found.map(([, pointer = '']) => [
    pointer,
    pointer
      .split('/')
      .reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], document),
  ]);
}

describe('the OpenAPI document', () => {
  it('is OpenAPI 3.1, and each route has a summary, answers and refusals', () => {
    expect(openApiDocument.safeParse(rest).error?.issues).toBeUndefined();
    const ids = operations().map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('has the routes that the running server has, and no other', () => {
    const { router } = nest.getHttpAdapter().getInstance() as {
      router: {
        stack: { route?: { path: string | string[]; methods: Record<string, boolean> } }[];
      };
    };
    const served = router.stack.flatMap(({ route }) =>
      [route?.path ?? []]
        .flat()
        .filter((path) => !NOT_OF_THE_API.test(path))
        .flatMap((path) =>
          Object.keys(route?.methods ?? {}).map(
            (method) => `${method.toUpperCase()} ${path.replaceAll(/:(\w+)/g, '{$1}')}`,
          ),
        ),
    );
    expect(served.length).toBeGreaterThanOrEqual(10);
    expect(
      operations()
        .map(([route]) => route)
        .sort(),
    ).toEqual(served.sort());
  });

  it('points at nothing that is not there', () => {
    expect(references(rest).length).toBeGreaterThan(50);
    expect(references(rest).filter(([, target]) => target === undefined)).toEqual([]);
    // A shape with an address of its own would resolve references against that.
    expect(JSON.stringify(rest.components)).not.toMatch(/"\$(id|schema)":/);
  });

  it('gives each refusal its codes, each with an example of that status', () => {
    const wrong = operations().flatMap(([route, { responses }]) =>
      Object.entries(responses).flatMap(([status, { content }]) =>
        Object.entries(content?.['application/json']?.examples ?? {})
          .filter(([code, example]) => {
            const { value } = example as { value: { code: string; statusCode: number } };
            const schema = content?.['application/json']?.schema ?? {};
            return (
              ERRORS[code as keyof typeof ERRORS].status !== Number(status) ||
              value.statusCode !== Number(status) ||
              check(schema, value).length > 0
            );
          })
          .map(([code]) => `${route} ${status} ${code}`),
      ),
    );
    expect(wrong).toEqual([]);
    const codes = (route: string, status: number): string[] =>
      Object.keys(
        new Map(operations()).get(route)?.responses[status]?.content?.['application/json']
          ?.examples ?? {},
      );
    expect(codes('POST /llm/chat', 429).sort()).toEqual(['quota_exceeded', 'rate_limited']);
    expect(codes('GET /llm/version', 429)).toEqual(['rate_limited']);
    expect(codes('POST /llm/chat', 503)).toContain('store_unavailable');
    expect(codes('GET /llm/generations/{id}', 503)).toEqual(['store_unavailable']);
    const starting = Object.keys(new Map(operations()).get('POST /llm/chat')?.responses ?? {});
    expect(starting).toEqual(
      expect.arrayContaining(['400', '404', '409', '413', '415', '429', '503']),
    );
  });

  it('names the headers that are read, and the media type of the event stream', () => {
    const headers = (route: string) =>
      new Map(operations())
        .get(route)
        ?.parameters.filter((parameter) => parameter.in === 'header')
        .map(({ name }) => name);
    expect(headers('POST /llm/generate')).toEqual(['Idempotency-Key']);
    expect(headers('POST /llm/chat')).toEqual(['Idempotency-Key']);
    expect(headers('GET /llm/generations/{id}/events')).toEqual(['Last-Event-ID']);
    expect(schemaOf('GET /llm/generations/{id}/events', 200, 'text/event-stream')).toMatchObject({
      type: 'string',
      contentSchema: { $ref: '#/components/schemas/StreamRecord' },
    });
  });

  it('is true: what the server answers has the documented shape', async () => {
    const start = await call('POST', `${app.url}/llm/generate`, {
      prompt: 'hi',
      onDisconnect: 'keep',
    });
    const { generationId } = start.body;
    const running = await call('GET', `${app.url}/llm/generations/${generationId}`);
    (await upstream.nextCall()).text('hello').done();
    const events = await fetch(`${app.url}/llm/generations/${generationId}/events`);
    const records = (await events.text()).match(/(?<=^data: ).*$/gm) ?? [];
    const ended = await call('GET', `${app.url}/llm/generations/${generationId}`);
    const answers: [string, { status: number; body: unknown }][] = [
      ['POST /llm/generate', start],
      ['POST /llm/generate', await call('POST', `${app.url}/llm/generate`, {})],
      [
        'POST /llm/chat',
        await call('POST', `${app.url}/llm/chat`, { clientId: 'x', messages: [] }),
      ],
      ['GET /llm/generations/{id}', running],
      ['GET /llm/generations/{id}', ended],
      ['GET /llm/generations/{id}', await call('GET', `${app.url}/llm/generations/nope`)],
      ['GET /llm/version', await call('GET', `${app.url}/llm/version`)],
      ['GET /llm/queue', await call('GET', `${app.url}/llm/queue`)],
      ['GET /health/live', await call('GET', `${app.url}/health/live`)],
      ['GET /health/ready', await call('GET', `${app.url}/health/ready`)],
    ];
    const wrong = answers.map(([route, { status, body }]) => {
      const schema = schemaOf(route, status);
      return [route, status, schema === undefined ? 'undocumented' : check(schema, body)];
    });
    expect(wrong).toEqual(answers.map(([route, { status }]) => [route, status, []]));
    expect(records.length).toBe(3);
    const record = { $ref: '#/components/schemas/StreamRecord' };
    expect(records.flatMap((text) => check(record, JSON.parse(text)))).toEqual([]);
  });
});

describe('the shapes of both documents', () => {
  it('are the same', () => {
    const [ofSocket, ofRest] = [socket.components.schemas, rest.components.schemas];
    const common = Object.keys(ofSocket).filter((name) => ofRest[name] !== undefined);
    expect(common.length).toBeGreaterThan(10);
    for (const name of common) expect(ofSocket[name]).toEqual(ofRest[name]);
  });

  it('are only those that the document points at', () => {
    for (const document of [rest, socket]) {
      const used = new Set(references(document).map(([pointer]) => pointer.split('/').at(-1)));
      expect(Object.keys(document.components.schemas).filter((name) => !used.has(name))).toEqual(
        [],
      );
    }
  });

  it('have no pattern that regular expressions of other languages do not know', () => {
    expect(JSON.stringify([rest, socket])).not.toMatch(/"pattern":"[^"]*\\\\p\{/);
  });

  it('have a description, and examples that they allow', () => {
    const { schemas } = rest.components;
    expect(Object.keys(schemas).filter((name) => !schemas[name]?.['description'])).toEqual([]);
    const without = Object.keys(schemas).filter(
      (name) => schemas[name]?.['examples'] === undefined,
    );
    // Unions of shapes that have theirs.
    expect(without.sort()).toEqual(['StreamRecord', 'TerminalRecord']);
    const wrong = Object.entries(schemas).flatMap(([name, schema]) =>
      ((schema['examples'] ?? []) as unknown[]).flatMap((example) =>
        check({ $ref: `#/components/schemas/${name}` }, example).map(
          (error) => `${name}: ${error}`,
        ),
      ),
    );
    expect(wrong).toEqual([]);
  });

  it('name every error code and what it means', () => {
    const { enum: codes, description } = rest.components.schemas['ErrorCode'] ?? {};
    expect((codes as string[]).toSorted()).toEqual(Object.keys(ERRORS).toSorted());
    const rows = String(description).match(/(?<=^\| `)\w+(?=` \| \d+ \| (yes|no) \| .+[.?] \|$)/gm);
    expect(rows).toEqual(Object.keys(ERRORS));
  });

  it('let clients ignore unknown fields of a record, and refuse them in a request', () => {
    const chunk = rest.components.schemas['GenerateChunk'];
    const body = rest.components.schemas['GenerateBody'];
    expect(chunk?.['additionalProperties']).toBeUndefined();
    expect(body?.['additionalProperties']).toBe(false);
  });
});

describe('the AsyncAPI document', () => {
  it('has neither errors nor warnings for the official parser', async () => {
    const { document, diagnostics } = await new Parser().parse(JSON.stringify(socket));
    expect(document?.version()).toBe('3.0.0');
    const isWorse = ({ severity }: { severity: number }) => severity <= 1;
    expect(diagnostics.filter(isWorse).map(({ message, path }) => [message, path])).toEqual([]);
  });

  it('receives the events that the gateway takes, each with a reply, and no other', () => {
    const prototype = SocketGateway.prototype as unknown as Record<string, object>;
    const taken = Object.getOwnPropertyNames(prototype)
      .filter((name) => name !== 'constructor' && typeof prototype[name] === 'function')
      .flatMap((name) => (Reflect.getMetadata(EVENT_NAME, prototype[name] ?? {}) as string) ?? []);
    const received = Object.entries(socket.operations).filter(
      ([, { action }]) => action === 'receive',
    );
    expect(taken.length).toBeGreaterThanOrEqual(5);
    expect(received.map(([event]) => event).sort()).toEqual(taken.sort());
    expect(received.filter(([, { reply }]) => reply === undefined)).toEqual([]);
  });

  it('sends records of every kind, states and exceptions', () => {
    const sent = Object.entries(socket.operations).filter(([, { action }]) => action === 'send');
    expect(sent.map(([event]) => event)).toEqual(['streamData', 'streamState', 'exception']);
    const kinds = socket.operations['streamData']?.messages.map(({ $ref }) =>
      $ref.split('.').at(-1),
    );
    expect(kinds).toEqual(
      expect.arrayContaining([
        'GenerateChunk',
        'ChatChunk',
        'GenerateLastChunk',
        'ChatLastChunk',
        ...terminalRecord.options.map((option) => option.meta()?.id),
      ]),
    );
  });

  it('gives each message the name of its event and an example', () => {
    const { messages } = socket.components;
    const wrong = Object.entries(messages).filter(
      ([id, { name, examples }]) => id.split('.').slice(0, -1).join('.') !== name || !examples[0],
    );
    expect(wrong).toEqual([]);
    const merged = messages['streamData.GenerateChunk']?.examples.filter(
      ({ payload }) => (payload as { from?: number }).from !== undefined,
    );
    expect(merged).toHaveLength(1);
  });

  it('is true: it says where Socket.IO answers, and what an ack and an exception look like', async () => {
    expect(Object.values(socket.servers).map(({ host }) => `http://${host}`)).toEqual([
      app.socketUrl,
    ]);
    const client = await Client.connect(app.socketUrl);
    const refused = await client.ask('join', { generationId: 'A'.repeat(22), after: 0 });
    client.socket.emit('cancel', {});
    await client.until(() => client.exceptions.length === 1);
    client.close();
    const { messages } = socket.components;
    expect(check(messages['join.ack.JoinAck']?.payload ?? {}, refused)).toEqual([]);
    expect(check(messages['exception.Refusal']?.payload ?? {}, client.exceptions[0])).toEqual([]);
  });
});

describe('the page at /docs', () => {
  it('loads everything from this server, and shows this document', async () => {
    const page = await fetch(`${app.url}/docs`);
    const loads = [...(await page.text()).matchAll(/(?:src|href)="([^"]+)"/g)];
    expect(page.headers.get('content-type')).toMatch('text/html');
    expect(loads.length).toBeGreaterThanOrEqual(5);
    for (const [, address = ''] of loads) {
      const url = new URL(address, page.url);
      expect(url.origin).toBe(app.url);
      expect((await fetch(url)).status).toBe(200);
    }
    const script = await (await fetch(new URL('swagger-initializer.js', page.url))).text();
    expect(script).not.toMatch(/https?:/);
    // Without it the page loads a badge from swagger.io.
    expect(script).toMatch('validatorUrl: null');
    const [, document = ''] = /url: '([^']+)'/.exec(script) ?? [];
    expect(new URL(document, page.url).href).toBe(`${app.url}/docs-json`);
  });
});
