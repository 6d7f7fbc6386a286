import { io } from 'socket.io-client';
import type { GenerationVerb } from '../src/access/authorise.js';
import { GENERATIONS, OWNERS, refusalOf } from './support/access-table.js';
import { Client } from './support/client.js';
import { bearer, KeysFile, SECRET, tokenOf } from './support/credentials.js';
import { call } from './support/rest.js';
import { Stage } from './support/stage.js';
import { until } from './support/until.js';

type Owner = keyof typeof OWNERS;
const ALL_OWNERS = Object.keys(OWNERS) as Owner[];
const SCOPES = ['start', 'read', 'cancel', 'share', 'pull', 'admin'];
/** Principals that are sockets only, or callers over REST only. */
const SOCKET_ONLY = new Set(['ada, only claimed', 'bob, only claimed', 'socket']);
const REST_ONLY = new Set(['rest', 'key that acts for ada']);
/** Principals whose credential nobody can take back: they have none. */
const WITHOUT = new Set([...SOCKET_ONLY, 'rest']);

/**
 * Every cell of the table of access: principals × owners × verbs, over REST, SSE and the socket, and all
 * of them again after the credentials were taken back.
 */
describe('who may do what, at every door', () => {
  const keys = new KeysFile();
  let stage: Stage;
  let admin: string;
  /** What each principal shows; a link is another one for each generation. */
  const credentials = new Map<string, (owner: Owner) => string | undefined>();
  const ids = new Map<Owner, string>();
  const claims: Record<string, string> = { 'ada, only claimed': 'ada', 'bob, only claimed': 'bob' };

  const rest = (
    method: string,
    path: string,
    credential: string | undefined,
    body?: object,
  ): ReturnType<typeof call> =>
    call(
      method,
      `${stage.app.url}${path}`,
      body,
      credential === undefined ? {} : bearer(credential),
    );
  const authOf = (who: string, owner: Owner): Record<string, string> => {
    const token = credentials.get(who)?.(owner);
    if (token !== undefined) return { token };
    return claims[who] === undefined ? {} : { userId: claims[who] };
  };

  beforeAll(async () => {
    const all = keys.add('shop', { scopes: SCOPES });
    const usual = keys.add('usual', { tenant: 'shop' });
    stage = await Stage.open({
      API_KEYS_FILE: keys.path,
      JWT_SECRET: SECRET,
      ALLOW_ANONYMOUS: 'true',
      MAX_CONCURRENT: 50,
      LIMIT_STARTS_PER_MINUTE: 0,
      LIMIT_RUNNING: 0,
      LIMIT_SOCKETS: 0,
      LIMIT_JOINS_PER_10S: 0,
      LIMIT_HANDSHAKES_PER_10S: 0,
      LIMIT_SOCKETS_PER_ADDRESS: 0,
      LIMIT_FAILED_TOKENS_PER_MINUTE: 0,
    });
    const user = (sub: string, tenant: string, scopes?: string[]): Promise<string> =>
      tokenOf(sub, { tenant, ...(scopes !== undefined && { scopes }) });
    admin = await tokenOf('root', { scopes: ['admin'] });
    const ada = await user('ada', 'shop');
    const bob = await user('bob', 'shop', SCOPES);
    const other = await user('ada', 'bank', SCOPES);

    const start = async (credential?: string, fields: object = {}): Promise<string> => {
      const asked = { prompt: 'x', onDisconnect: 'keep', ...fields };
      const { body } = await rest('POST', '/llm/generate', credential, asked);
      (await stage.upstream.nextCall()).text('the answer');
      return body.generationId as string;
    };
    ids.set('n', await start());
    ids.set('a', await start(all, { userId: 'ada' }));
    ids.set('b', await start(bob));
    ids.set('s', await start(all));
    ids.set('o', await start(other));
    const claimed = await stage.connect('ada');
    const { id, request } = await stage.generate(claimed, { onDisconnect: 'keep' });
    request.text('the answer');
    ids.set('c', id);

    const links = async (verbs: string[]): Promise<Map<Owner, string>> => {
      const made = new Map<Owner, string>();
      const owners: [Owner, string][] = [
        ['a', ada],
        ['b', bob],
        ['s', all],
        ['o', other],
      ];
      for (const [owner, by] of owners) {
        const path = `/llm/generations/${ids.get(owner)}/share`;
        made.set(owner, (await rest('POST', path, by, { verbs })).body.token as string);
      }
      return made;
    };
    const reading = await links(['read']);
    const cancelling = await links(['read', 'cancel']);
    const same = (credential: string) => (): string => credential;
    credentials.set('key, all scopes', same(all));
    credentials.set('key, usual scopes', same(usual));
    credentials.set('key that acts for ada', same(all));
    credentials.set('ada', same(ada));
    credentials.set('ada, all scopes', same(await user('ada', 'shop', SCOPES)));
    credentials.set('bob', same(bob));
    credentials.set('ada of another tenant', same(other));
    credentials.set('link, read', (owner) => reading.get(owner));
    credentials.set('link, read and cancel', (owner) => cancelling.get(owner));
    credentials.set('link of another generation', (owner) =>
      cancelling.get(owner === 'a' ? 'b' : 'a'),
    );
  });
  afterAll(() => stage?.close());

  /** There is no link to what nobody owns, or what somebody only claims to be. */
  const exists = (who: string, owner: Owner): boolean =>
    !['link, read', 'link, read and cancel'].includes(who) || !['n', 'c'].includes(owner);

  const cells = (doors: (who: string) => boolean): [string, Owner][] =>
    Object.keys(GENERATIONS)
      .filter(doors)
      .flatMap((who) =>
        ALL_OWNERS.filter((owner) => exists(who, owner)).map((owner): [string, Owner] => [
          who,
          owner,
        ]),
      );

  const STATUS = { forbidden: 403, generation_not_found: 404 } as const;
  const check = (
    answer: { status: number; body: { code?: string } },
    refusal: ReturnType<typeof refusalOf>,
  ): void => {
    if (refusal === undefined) expect(answer.status).toBeLessThan(300);
    else {
      expect(answer.status).toBe(STATUS[refusal]);
      expect(answer.body).toMatchObject({ code: refusal });
    }
  };

  /** How far an event stream was opened. */
  async function events(id: string, credential?: string): ReturnType<typeof call> {
    const abort = new AbortController();
    const response = await fetch(`${stage.app.url}/llm/generations/${id}/events`, {
      headers: credential === undefined ? {} : bearer(credential),
      signal: abort.signal,
    });
    const { status, headers } = response;
    const body = status === 200 ? {} : await response.json();
    abort.abort();
    return { status, headers, body };
  }

  const doors: [
    string,
    GenerationVerb,
    (id: string, credential?: string) => ReturnType<typeof call>,
  ][] = [
    ['GET', 'read', (id, credential) => rest('GET', `/llm/generations/${id}`, credential)],
    ['events', 'read', events],
    [
      'share',
      'share',
      (id, credential) => rest('POST', `/llm/generations/${id}/share`, credential, {}),
    ],
    ['DELETE', 'cancel', (id, credential) => rest('DELETE', `/llm/generations/${id}`, credential)],
  ];

  // What is cancelled is kept: later cells find it, too.
  describe.each(doors)('over REST: %s', (_door, verb, ask) => {
    it.each(cells((who) => !SOCKET_ONLY.has(who)))('%s, a generation of %s', async (who, owner) => {
      const answer = await ask(ids.get(owner)!, credentials.get(who)?.(owner));
      check(answer, refusalOf(who, verb, owner));
    });
  });

  describe('over the socket: join, leave, cancel', () => {
    it.each(cells((who) => !REST_ONLY.has(who)))('%s, a generation of %s', async (who, owner) => {
      const client = await Client.connect(stage.app.socketUrl, { auth: authOf(who, owner) });
      const generationId = ids.get(owner)!;
      try {
        for (const [event, verb, fields] of [
          ['join', 'read', { after: 0 }],
          ['leave', 'read', {}],
          ['cancel', 'cancel', {}],
        ] as const) {
          const answer = await client.ask(event, { generationId, ...fields });
          const refusal = refusalOf(who, verb, owner);
          if (refusal === undefined) expect(answer).toMatchObject({ ok: true });
          else expect(answer).toMatchObject({ ok: false, error: { code: refusal } });
        }
      } finally {
        client.close();
      }
    });
  });

  it('a link opens its generation to a socket of nobody known, by join', async () => {
    const client = await Client.connect(stage.app.socketUrl);
    const generationId = ids.get('b')!;
    const token = credentials.get('link, read')!('b')!;
    expect(await client.ask('join', { generationId, after: 0 })).toMatchObject({ ok: false });
    expect(await client.ask('join', { generationId, after: 0, token })).toMatchObject({ ok: true });
    await client.until(() => client.text(generationId) === 'the answer');
    // Of another one it is none, and a token of a user is no link.
    expect(await client.ask('join', { generationId: ids.get('a'), after: 0, token })).toMatchObject(
      { ok: false, error: { code: 'generation_not_found' } },
    );
    const user = credentials.get('bob')!('b');
    expect(await client.ask('join', { generationId, after: 0, token: user })).toMatchObject({
      ok: false,
      error: { code: 'unauthorized' },
    });
    client.close();
  });

  it('what is not yours is not there: the same answer, in the same time', async () => {
    const ask = async (id: string): Promise<{ ms: number; text: string }> => {
      const begun = performance.now();
      const { status, body } = await rest(
        'GET',
        `/llm/generations/${id}`,
        credentials.get('bob')!('b'),
      );
      const { requestId: _id, ...said } = body as { requestId: string };
      return { ms: performance.now() - begun, text: JSON.stringify({ status, ...said }) };
    };
    const times = { foreign: [] as number[], none: [] as number[] };
    const none = 'x'.repeat(22);
    const texts = new Set<string>();
    for (let n = 0; n < 200; n++) {
      for (const [kind, id] of [
        ['foreign', ids.get('a')!],
        ['none', none],
      ] as const) {
        const { ms, text } = await ask(id);
        times[kind].push(ms);
        texts.add(text);
      }
    }
    expect(texts.size).toBe(1);
    // Of the fast ones: what a busy machine adds to the others is no difference of the two.
    const fast = (list: number[]): number => list.sort((a, b) => a - b)[list.length / 10]!;
    const took = fast(times.none);
    expect(Math.abs(fast(times.foreign) - took)).toBeLessThan(Math.max(1, took / 2));
  });

  describe('after the credentials were taken back', () => {
    let open: Client;
    beforeAll(async () => {
      open = await Client.connect(stage.app.socketUrl, {
        auth: authOf('bob', 'b'),
        reconnection: false,
      });
      // What is issued in the second of a revocation is covered by it.
      const revoke = async (body: object): Promise<void> => {
        expect(await rest('POST', '/admin/revoke', admin, body)).toMatchObject({ status: 200 });
      };
      for (const key of ['shop', 'usual']) await revoke({ key });
      for (const sub of ['ada', 'bob']) await revoke({ tenant: 'shop', sub });
      await revoke({ tenant: 'bank', sub: 'ada' });
    });

    it('an open socket was closed, and was told why', async () => {
      await open.until(() => !open.socket.connected);
      expect(open.exceptions).toEqual([expect.objectContaining({ code: 'unauthorized' })]);
      open.close();
    });

    // A link of a backend that acts for nobody has no user to be taken back with.
    const revoked = (who: string, owner: Owner): boolean =>
      !WITHOUT.has(who) && !(who.startsWith('link,') && owner === 's');

    describe.each(doors)('over REST: %s', (_door, _verb, ask) => {
      it.each(cells((who) => !SOCKET_ONLY.has(who)).filter(([who, owner]) => revoked(who, owner)))(
        '%s, a generation of %s: 401',
        async (who, owner) => {
          const answer = await ask(ids.get(owner)!, credentials.get(who)?.(owner));
          expect(answer).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
        },
      );
    });

    it.each(cells((who) => !REST_ONLY.has(who)).filter(([who, owner]) => revoked(who, owner)))(
      'over the socket: %s, a generation of %s: not let in',
      async (who, owner) => {
        const socket = io(`${stage.app.socketUrl}/events`, {
          forceNew: true,
          reconnection: false,
          auth: authOf(who, owner),
        });
        let refusal: unknown;
        socket.once('connect_error', (error) => (refusal = (error as { data?: unknown }).data));
        await until(() => refusal !== undefined);
        expect(refusal).toMatchObject({ code: 'unauthorized' });
        socket.disconnect();
      },
    );

    it('others go on as before', async () => {
      const id = ids.get('n')!;
      expect(await rest('GET', `/llm/generations/${id}`, undefined)).toMatchObject({ status: 200 });
      const eve = await tokenOf('eve', { tenant: 'shop' });
      expect(await rest('GET', `/llm/generations/${id}`, eve)).toMatchObject({ status: 200 });
    });
  });
});
