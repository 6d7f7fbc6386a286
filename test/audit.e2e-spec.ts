import { clientEvents } from '../src/protocol/socket-events.js';
import { Client } from './support/client.js';
import { bearer, KeysFile, SECRET, tokenOf } from './support/credentials.js';
import { Program } from './support/program.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { until } from './support/until.js';

type Line = Record<string, unknown>;

/** Endpoints of ours that refuse nobody whom they know, or ask nobody who he is. */
const OPEN = ['GET /llm/me', 'GET /health/live', 'GET /health/ready', 'GET /health/stream'];
const CHAT = { messages: [{ role: 'user', content: 'x' }] };
const UI_CHAT = { id: 'c', messages: [{ role: 'user', parts: [{ type: 'text', text: 'x' }] }] };

/** Who has no right to do it, what is sent, and what the audit says. `{id}` is a generation of ada's. */
const REFUSED: [endpoint: string, who: string, line: Line, body?: object][] = [
  ['POST /llm/generate', 'nothing', { verb: 'start' }, { prompt: 'x', onDisconnect: 'keep' }],
  ['POST /llm/chat', 'nothing', { verb: 'start' }, { ...CHAT, onDisconnect: 'keep' }],
  ['POST /llm/models/pull', 'nothing', { verb: 'pull' }, { clientId: 'x', model: 'm' }],
  ['GET /llm/version', 'link', { verb: 'list' }],
  ['GET /llm/models', 'link', { verb: 'list' }],
  ['GET /llm/queue', 'link', { verb: 'list' }],
  ['GET /llm/generations/{id}', 'eve', { verb: 'read' }],
  ['GET /llm/generations/{id}/events', 'eve', { verb: 'read' }],
  ['DELETE /llm/generations/{id}', 'eve', { verb: 'cancel' }],
  ['POST /llm/generations/{id}/share', 'eve', { verb: 'share' }, {}],
  ['GET /llm/cluster', 'eve', { verb: 'admin' }],
  ['POST /auth/token', 'eve', { verb: 'mint' }, { userId: 'ada' }],
  ['POST /auth/token', 'shop', { verb: 'mint' }, { userId: 'ada', scopes: ['admin'] }],
  ['GET /admin/generations', 'eve', { verb: 'admin' }],
  ['DELETE /admin/generations/{id}', 'eve', { verb: 'admin' }],
  ['POST /admin/revoke', 'eve', { verb: 'admin' }, { sub: 'ada' }],
  ['GET /metrics', 'eve', { verb: 'admin' }],
  ['GET /docs/', 'eve', { verb: 'admin' }],
  ['GET /docs-json', 'eve', { verb: 'admin' }],
  ['GET /asyncapi.json', 'eve', { verb: 'admin' }],
  ['POST /v1/chat/completions', 'nothing', { verb: 'start' }, { model: 'llama3.2', ...CHAT }],
  ['POST /v1/responses', 'nothing', { verb: 'start' }, { model: 'llama3.2', input: 'x' }],
  ['GET /v1/responses/resp_{id}', 'eve', { verb: 'read' }],
  ['POST /v1/responses/resp_{id}/cancel', 'eve', { verb: 'cancel' }],
  ['GET /v1/models', 'link', { verb: 'list' }],
  ['GET /v1/models/m', 'link', { verb: 'list' }],
  ['POST /api/chat', 'nothing', { verb: 'start' }, { model: 'llama3.2', ...CHAT }],
  ['POST /api/generate', 'nothing', { verb: 'start' }, { model: 'llama3.2', prompt: 'x' }],
  ['POST /api/generate', 'eve', { verb: 'start' }, { model: 'llama3.2', keep_alive: 0 }],
  ['GET /api/tags', 'link', { verb: 'list' }],
  ['GET /api/ps', 'link', { verb: 'list' }],
  ['GET /api/version', 'link', { verb: 'list' }],
  ['POST /api/show', 'link', { verb: 'list' }, { model: 'm' }],
  ['DELETE /api/delete', 'eve', { verb: 'pull' }, { model: 'm' }],
  ['POST /ai/chat', 'nothing', { verb: 'start' }, UI_CHAT],
  ['GET /ai/chat/{id}/stream', 'eve', { verb: 'read' }],
  ['POST /ai/chat/{id}/stop', 'eve', { verb: 'cancel' }, {}],
  ['GET /llm/queue', 'no token', { message: 'auth.failed', code: 'unauthorized' }],
  ['POST /llm/generate', 'eve', { verb: 'start' }, { prompt: 'x', clientId: '{client}' }],
];

describe('the audit of what is refused', () => {
  let upstream: ScriptedUpstream;
  let server: Program;
  let url: string;
  let socketUrl: string;
  let ops: string;
  let generationId: string;
  let ada: Client;
  const shows = new Map<string, string>();

  beforeAll(async () => {
    const keys = new KeysFile();
    ops = keys.add('ops', { scopes: ['admin'] });
    upstream = await ScriptedUpstream.start();
    server = Program.server({
      API_KEYS_FILE: keys.path,
      JWT_SECRET: SECRET,
      LOG_FORMAT: 'json',
      OLLAMA_BASE_URL: upstream.url,
      METRICS: 'true',
    });
    shows.set('shop', bearer(keys.add('shop')).authorization!);
    ({ url, socketUrl } = await server.listening());
    const token = await tokenOf('ada');
    shows.set('nothing', `Bearer ${await tokenOf('nobody', { scopes: [] })}`);
    shows.set('eve', `Bearer ${await tokenOf('eve')}`);
    shows.set('no token', 'Basic eDp5');
    ada = await Client.connect(socketUrl, { auth: { token } });
    generationId = (await ada.accepted('generate', { prompt: 'x' })).generationId;
    const path = `${url}/llm/generations/${generationId}/share`;
    const { body } = await call('POST', path, {}, bearer(token));
    shows.set('link', `Bearer ${body.token}`);
  });
  afterAll(async () => {
    ada?.close();
    await server?.kill();
    await upstream?.close();
  });

  const lines = (): Line[] =>
    server.stdout
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.includes('"Audit"'))
      .map((line) => JSON.parse(line) as Line);

  it('looks at each endpoint of ours', async () => {
    const { body } = await call('GET', `${url}/docs-json`, undefined, bearer(ops));
    const documented = Object.entries(body.paths as Record<string, object>).flatMap(
      ([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const tried = new Set([...OPEN, ...REFUSED.map(([endpoint]) => endpoint)]);
    expect(documented.filter((endpoint) => !tried.has(endpoint))).toEqual([]);
  });

  it.each(REFUSED.map((row, at) => [...row.slice(0, 2), at] as [string, string, number]))(
    'has one line: %s, asked by %s',
    async (_endpoint, _who, at) => {
      const [endpoint, who, line, sent] = REFUSED[at]!;
      const [method = '', path = ''] = endpoint.replace('{id}', generationId).split(' ');
      const body = JSON.stringify(sent)?.replace('{client}', ada.id);
      const requestId = `row-${at}`;
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: {
          authorization: shows.get(who)!,
          'x-request-id': requestId,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body }),
      });
      await answer.text();
      const own = (): Line[] => lines().filter((one) => one['requestId'] === requestId);
      await until(() => own().length > 0, 5_000).catch(() => undefined);
      expect(own()).toEqual([expect.objectContaining({ message: 'denied', ...line })]);
    },
  );

  it('has one line for each event of a socket', async () => {
    const nobody = await Client.connect(socketUrl, {
      auth: { token: await tokenOf('nobody', { scopes: [] }) },
    });
    const token = await tokenOf('mallory');
    const report = { medianMs: 1, p95Ms: 2, cuts: 0, resumes: 0, whole: true };
    const events: Record<keyof typeof clientEvents, [request: object, line: Line]> = {
      generate: [{ prompt: 'x' }, { verb: 'start' }],
      chat: [CHAT, { verb: 'start' }],
      send_message: [{ user_id: 'ada', user_content: 'x' }, { verb: 'start' }],
      join: [{ generationId, after: 0 }, { verb: 'read' }],
      leave: [{ generationId }, { verb: 'read' }],
      cancel: [{ generationId }, { verb: 'cancel' }],
      report: [{ generationId, ...report }, { verb: 'read' }],
      auth: [{ token }, { verb: 'auth', code: 'forbidden' }],
    };
    const before = lines().length;
    const expected: Line[] = [];
    try {
      for (const [event, [request, line]] of Object.entries(events)) {
        expect(await nobody.ask(event, request)).toMatchObject({ ok: false });
        expected.push({ message: 'denied', sub: 'nobody', ...line });
      }
      // The token of a user is no link.
      await nobody.ask('join', { generationId, after: 0, token });
      expected.push({ message: 'auth.failed', sub: 'mallory', code: 'unauthorized' });
    } finally {
      nobody.close();
    }
    await until(() => lines().length >= before + expected.length, 5_000).catch(() => undefined);
    expect(lines().slice(before)).toMatchObject(expected);
  });
});
