import type { RunningServer } from '../../src/server.js';
import type { GenerationVerb } from '../../src/access/authorise.js';
import { AccessStage, cells, isRevoked, type Owner, SOCKET_ONLY } from '../support/access-stage.js';
import { refusalOf } from '../support/access-table.js';
import { startApp } from '../support/app.js';
import { bearer, SECRET, tokenOf } from '../support/credentials.js';
import { Program } from '../support/program.js';
import { call } from '../support/rest.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { until } from '../support/until.js';

/** Who has generations here; nobody comes through these doors who only claims to be somebody. */
const THEIRS: readonly Owner[] = ['n', 'a', 'b', 's', 'o'];
const KEEP = { 'x-llm-cast-on-disconnect': 'keep' };
const json = { 'content-type': 'application/json' };

/** What starts an answer at each door, streamed and whole. */
const STARTS = {
  'OpenAI, chat': ['/v1/chat/completions', { messages: [{ role: 'user', content: 'hi' }] }],
  'OpenAI, responses': ['/v1/responses', { input: 'hi' }],
  'Ollama, chat': ['/api/chat', { messages: [{ role: 'user', content: 'hi' }] }],
  'Ollama, generate': ['/api/generate', { prompt: 'hi' }],
  'AI SDK': [
    '/ai/chat',
    { messages: [{ id: '1', role: 'user', parts: [{ type: 'text', text: 'hi' }] }] },
  ],
} as const;
const DOORS = Object.entries(STARTS).map(([door, [path, body]]): [string, string, object] => [
  door,
  path,
  { model: 'llama3.2', stream: true, ...body },
]);

/** Every cell of the table of access again, at the doors whose answers can be asked for later. */
describe.each<
  [string, string, object, string, [string, GenerationVerb, string, (id: string) => string][]]
>([
  [
    'OpenAI',
    ...STARTS['OpenAI, responses'],
    'user',
    [
      ['read', 'read', 'GET', (id) => `/v1/responses/resp_${id}`],
      ['cancel', 'cancel', 'POST', (id) => `/v1/responses/resp_${id}/cancel`],
    ],
  ],
  [
    'AI SDK',
    ...STARTS['AI SDK'],
    'userId',
    [
      ['resume', 'read', 'HEAD', (id) => `/ai/chat/${id}/stream?startIndex=0`],
      ['stop', 'cancel', 'POST', (id) => `/ai/chat/${id}/stop`],
    ],
  ],
])('who may do what with an answer of the door of %s', (_name, path, asked, userField, doors) => {
  let access: AccessStage;
  beforeAll(async () => {
    access = await AccessStage.open();
    const { stage } = access;
    await access.fill(async (credential, actsFor) => {
      const body = { model: 'llama3.2', ...asked, stream: true, [userField]: actsFor };
      const streaming = fetch(`${stage.app.url}${path}`, {
        method: 'POST',
        headers: { ...json, ...KEEP, ...(credential !== undefined && bearer(credential)) },
        body: JSON.stringify(body),
      });
      (await stage.upstream.nextCall()).text('the answer');
      const response = await streaming;
      await response.body?.cancel();
      return response.headers.get('x-llm-cast-generation-id') ?? '';
    });
  });
  afterAll(() => access?.stage.close());

  const STATUS = { forbidden: 403, generation_not_found: 404 } as const;

  const ask = async (
    who: string,
    owner: Owner,
    method: string,
    pathOf: (id: string) => string,
  ): Promise<number> => {
    const credential = access.credentialOf(who, owner);
    const { status } = await fetch(`${access.stage.app.url}${pathOf(access.ids.get(owner)!)}`, {
      method,
      headers: credential === undefined ? {} : bearer(credential),
    });
    return status;
  };
  const all = cells((who) => !SOCKET_ONLY.has(who), THEIRS);

  describe.each(doors)('%s', (_door, verb, method, pathOf) => {
    it.each(all)('%s, a generation of %s', async (who, owner) => {
      const refusal = refusalOf(who, verb, owner);
      const status = refusal === undefined ? 200 : STATUS[refusal];
      expect(await ask(who, owner, method, pathOf)).toBe(status);
    });
  });

  describe('after the credentials were taken back', () => {
    beforeAll(() => access.revokeAll());

    describe.each(doors)('%s', (_door, _verb, method, pathOf) => {
      it.each(all.filter(isRevoked))('%s, a generation of %s: 401', async (who, owner) => {
        expect(await ask(who, owner, method, pathOf)).toBe(401);
      });
    });
  });
});

describe('a credential at every door', () => {
  let upstream: ScriptedUpstream;
  let server: Program;
  let app: Pick<RunningServer, 'url'>;
  let admin: string;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    server = Program.server({
      OLLAMA_BASE_URL: upstream.url,
      JWT_SECRET: SECRET,
      LOG_FORMAT: 'json',
      MAX_CONCURRENT: 50,
      MAX_TOKENS: 100,
      LIMIT_STARTS_PER_MINUTE: 1,
    });
    app = await server.listening();
    admin = await tokenOf('root', { scopes: ['admin'] });
  });
  afterAll(async () => {
    await server?.kill();
    await upstream?.close();
  });

  /** Asks, and waits for all of the answer. */
  const ask = async (
    path: string,
    body: object,
    token?: string,
  ): Promise<{ status: number; headers: Headers; text: string }> => {
    const response = await post(path, body, token);
    const { status, headers } = response;
    return { status, headers, text: await response.text() };
  };
  const post = (path: string, body: object, token?: string): Promise<Response> =>
    fetch(`${app.url}${path}`, {
      method: 'POST',
      headers: { ...json, ...(token !== undefined && bearer(token)) },
      body: JSON.stringify(body),
    });
  const audited = (event: string, sub: string): boolean =>
    server.stdout
      .split('\n')
      .some(
        (line) =>
          line.includes('"Audit"') && line.includes(`"${event}"`) && line.includes(`"${sub}"`),
      );
  let users = 0;
  const newUser = (): string => `user-${users++}`;

  describe.each(DOORS)('%s', (_door, path, streamed) => {
    const whole = { ...streamed, stream: false };

    it('is asked for, and one without the right is not enough', async () => {
      const none = await ask(path, whole);
      expect(none.status).toBe(401);
      expect(none.headers.get('www-authenticate')).toContain('Bearer');
      const sub = newUser();
      expect((await ask(path, whole, await tokenOf(sub, { scopes: ['read'] }))).status).toBe(403);
      await until(() => audited('denied', sub));
    });

    it('is limited: starts in a minute, tokens a day; each is written down', async () => {
      const sub = newUser();
      const token = await tokenOf(sub);
      const first = ask(path, streamed, token);
      (await upstream.nextCall()).text('x').done();
      expect((await first).status).toBe(200);
      await until(() => audited('start', sub));
      const second = await ask(path, whole, token);
      expect(second.status).toBe(429);
      expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0);
      await until(() => audited('limit', sub));
      const poor = await tokenOf(newUser(), { limits: { tokensPerDay: 50 } });
      const refused = await ask(path, whole, poor);
      expect(refused.status).toBe(429);
      expect(refused.text).toMatch(/tokens/);
    });

    it('ends what is open when it is taken back: a stream, and a whole answer that is waited for', async () => {
      const sub = newUser();
      const token = await tokenOf(sub, { limits: { startsPerMinute: 9 } });
      const streaming = post(path, streamed, token);
      const request = (await upstream.nextCall()).text('begun ');
      const told = new Told(await streaming);
      await until(() => told.text.includes('begun'));
      // The door of the AI SDK has no whole answers.
      const waiting = path === '/ai/chat' ? undefined : ask(path, whole, token);
      const other = waiting && (await upstream.nextCall()).text('begun ');
      const revoked = await call(
        'POST',
        `${app.url}/admin/revoke`,
        { tenant: 'default', sub },
        bearer(admin),
      );
      expect(revoked.body.closed).toBe(waiting === undefined ? 1 : 2);
      // It is over, while the answer goes on.
      await told.isOver;
      if (waiting !== undefined) expect((await waiting).status).toBe(401);
      expect(request.isOpen).toBe(true);
      request.text('hidden').done();
      other?.done();
      expect(told.text).not.toContain('hidden');
    });
  });
});

/** What a response has said so far. */
class Told {
  text = '';
  readonly isOver: Promise<void>;

  constructor(response: Response) {
    this.isOver = this.read(response);
  }

  private async read({ body }: Response): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const bytes of body ?? []) this.text += decoder.decode(bytes, { stream: true });
    } catch {
      // Cut off: so the clients of the AI SDK are told to come back.
    }
  }
}

it('a whole answer is given to whoever was known when he asked, although his token has expired since', async () => {
  const upstream = await ScriptedUpstream.start();
  const app = await startApp({ OLLAMA_BASE_URL: upstream.url, JWT_SECRET: SECRET });
  try {
    // The clock may be five seconds off: four are left, enough for a busy machine.
    const token = await tokenOf('ada', undefined, -1);
    const { 1: body } = STARTS['OpenAI, chat'];
    const asked = call(
      'POST',
      `${app.url}/v1/chat/completions`,
      { model: 'llama3.2', ...body },
      bearer(token),
    );
    const request = await upstream.nextCall();
    await until(
      async () => (await call('GET', `${app.url}/llm/me`, undefined, bearer(token))).status === 401,
    );
    request.text('late').done();
    expect(await asked).toMatchObject({ status: 200 });
  } finally {
    await app.close();
    await upstream.close();
  }
});

describe('an answer whose response the server ends, as the token has expired, is not cancelled', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, JWT_SECRET: SECRET });
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  it.each(DOORS)('%s', async (_door, path, body) => {
    // The clock may be five seconds off: four are left, enough for a busy machine.
    const expiring = await tokenOf('ada', undefined, -1);
    const streaming = fetch(app.url + path, {
      method: 'POST',
      headers: { ...json, ...bearer(expiring) },
      body: JSON.stringify(body),
    });
    const request = (await upstream.nextCall()).text('one');
    const response = await streaming;
    await new Told(response).isOver;
    request.text(' two').done();
    const id = response.headers.get('x-llm-cast-generation-id');
    const answer = async () =>
      (
        await call(
          'GET',
          `${app.url}/llm/generations/${id}`,
          undefined,
          bearer(await tokenOf('ada')),
        )
      ).body as { state: string };
    await until(async () => (await answer()).state !== 'streaming');
    expect(await answer()).toMatchObject({ state: 'completed', text: 'one two' });
  });
});
