import { io } from 'socket.io-client';
import type { GenerationVerb } from '../src/access/authorise.js';
import {
  AccessStage,
  cells,
  isRevoked,
  type Owner,
  REST_ONLY,
  SOCKET_ONLY,
} from './support/access-stage.js';
import { refusalOf } from './support/access-table.js';
import { Client } from './support/client.js';
import { bearer, tokenOf } from './support/credentials.js';
import type { call } from './support/rest.js';
import type { Stage } from './support/stage.js';
import { until } from './support/until.js';

/**
 * Every cell of the table of access: principals × owners × verbs, over REST, SSE and the socket, and all
 * of them again after the credentials were taken back.
 */
describe('who may do what, at every door', () => {
  let access: AccessStage;
  let stage: Stage;
  let ids: AccessStage['ids'];
  const claims: Record<string, string> = { 'ada, only claimed': 'ada', 'bob, only claimed': 'bob' };

  const rest = (
    method: string,
    path: string,
    credential: string | undefined,
    body?: object,
  ): ReturnType<typeof call> => access.rest(method, path, credential, body);
  const authOf = (who: string, owner: Owner): Record<string, string> => {
    const token = access.credentialOf(who, owner);
    if (token !== undefined) return { token };
    return claims[who] === undefined ? {} : { userId: claims[who] };
  };

  beforeAll(async () => {
    access = await AccessStage.open();
    ({ stage, ids } = access);
    await access.fill(async (credential, userId) => {
      const asked = { prompt: 'x', onDisconnect: 'keep', userId };
      const { body } = await rest('POST', '/llm/generate', credential, asked);
      (await stage.upstream.nextCall()).text('the answer');
      return body.generationId as string;
    });
    const claimed = await stage.connect('ada');
    const { id, request } = await stage.generate(claimed, { onDisconnect: 'keep' });
    request.text('the answer');
    ids.set('c', id);
  });
  afterAll(() => stage?.close());

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
      const answer = await ask(ids.get(owner)!, access.credentialOf(who, owner));
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
    const token = access.credentialOf('link, read', 'b');
    expect(await client.ask('join', { generationId, after: 0 })).toMatchObject({ ok: false });
    expect(await client.ask('join', { generationId, after: 0, token })).toMatchObject({ ok: true });
    await client.until(() => client.text(generationId) === 'the answer');
    // Of another one it is none, and a token of a user is no link.
    expect(await client.ask('join', { generationId: ids.get('a'), after: 0, token })).toMatchObject(
      { ok: false, error: { code: 'generation_not_found' } },
    );
    const user = access.credentialOf('bob', 'b');
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
        access.credentialOf('bob', 'b'),
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
      await access.revokeAll();
    });

    it('an open socket was closed, and was told why', async () => {
      await open.until(() => !open.socket.connected);
      expect(open.exceptions).toEqual([expect.objectContaining({ code: 'unauthorized' })]);
      open.close();
    });

    describe.each(doors)('over REST: %s', (_door, _verb, ask) => {
      it.each(cells((who) => !SOCKET_ONLY.has(who)).filter(isRevoked))(
        '%s, a generation of %s: 401',
        async (who, owner) => {
          const answer = await ask(ids.get(owner)!, access.credentialOf(who, owner));
          expect(answer).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
        },
      );
    });

    it.each(cells((who) => !REST_ONLY.has(who)).filter(isRevoked))(
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
