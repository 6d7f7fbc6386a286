import { io } from 'socket.io-client';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { Stage } from './support/stage.js';

describe('records for every socket of a user', () => {
  let stage: Stage;
  let upstream: ScriptedUpstream;
  let app: RunningServer;

  beforeAll(async () => {
    stage = await Stage.open({ MAX_CONCURRENT: 8 });
    ({ upstream, app } = stage);
  });
  afterEach(() => stage.hangUp());
  afterAll(() => stage?.close());

  const connect = (userId?: unknown): Promise<Client> => stage.connect(userId);
  const started = async (client: Client, event: string, request: object): Promise<string> => {
    const ack = await client.accepted(event, request);
    return ack.generationId;
  };
  const hello = { user_id: 'ada', user_content: 'hi' };
  const MESSAGES = [{ role: 'user', content: 'hi' }];

  it('send_message is a chat with the user text, the system text and the temperature', async () => {
    const client = await connect('ada');
    const id = await started(client, 'send_message', {
      ...hello,
      system_content: 'be brief',
      temperature: 0,
    });
    const request = await upstream.nextCall();
    expect(request.path).toBe('/api/chat');
    expect(request.body).toEqual({
      model: 'llama3.2',
      messages: [{ role: 'system', content: 'be brief' }, ...MESSAGES],
      stream: true,
      options: { temperature: 0, num_predict: 4096 },
      truncate: false,
      shift: false,
    });
    request.text('yes').done();
    expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    expect(client.of(id)[0]).toMatchObject({ message: { role: 'assistant', content: 'yes' } });
    // The ack comes before any record.
    const events = client.log.map(({ event }) => event);
    expect(events.indexOf('ack')).toBeLessThan(events.indexOf('streamData'));
  });

  it('send_message without a system text sends the user text alone', async () => {
    const client = await connect('ada');
    const id = await started(client, 'send_message', hello);
    const request = await upstream.nextCall();
    expect(request.body).toMatchObject({ messages: MESSAGES, options: {} });
    request.done();
    await client.ended(id);
  });

  it.each<[string, (client: Client) => Promise<string>]>([
    ['send_message', (client) => started(client, 'send_message', hello)],
    ['chat', (client) => started(client, 'chat', { messages: MESSAGES, audience: 'user' })],
    ['generate', (client) => started(client, 'generate', { prompt: 'hi', audience: 'user' })],
    [
      'REST',
      async ({ id }) => {
        const request = { clientId: id, prompt: 'hi', audience: 'user' };
        const { status, body } = await call('POST', `${app.url}/llm/generate`, request);
        expect(status).toBe(201);
        return (body as { generationId: string }).generationId;
      },
    ],
  ])('%s: each tab of the user gets them, and nobody else', async (_door, ask) => {
    const [asking, other, stranger, nobody] = await Promise.all([
      connect('ada'),
      connect('ada'),
      connect('eve'),
      connect(),
    ]);
    const id = await ask(asking);
    (await upstream.nextCall()).text('for ').text('ada').done();
    const ends = await Promise.all([asking.ended(id), other.ended(id)]);
    expect(ends[0]).toEqual(ends[1]);
    expect(other.of(id)).toEqual(asking.of(id));
    expect(other.text(id)).toBe('for ada');
    for (const outsider of [stranger, nobody]) {
      // A round trip, which is also refused: it is not theirs.
      expect(await outsider.ask('join', { generationId: id, after: 0 })).toMatchObject({
        ok: false,
        error: { code: 'generation_not_found' },
      });
      expect([outsider.records, outsider.states]).toEqual([[], []]);
    }
  });

  it('without the audience, only the asking tab gets them', async () => {
    const [asking, other] = await Promise.all([connect('ada'), connect('ada')]);
    const id = await started(asking, 'chat', { messages: MESSAGES });
    (await upstream.nextCall()).text('x').done();
    await asking.ended(id);
    await other.ask('leave', { generationId: id });
    expect(other.records).toEqual([]);
  });

  it('a tab that connects later hears of what runs, and can join it', async () => {
    const asking = await connect('ada');
    const id = await started(asking, 'send_message', hello);
    const request = await upstream.nextCall();
    request.text('one ');
    await asking.until(() => asking.text(id) === 'one ');
    const [late, stranger, nobody] = [await connect('ada'), await connect('eve'), await connect()];
    await late.until(() => late.states.length > 0);
    expect(late.states).toEqual([{ generationId: id, state: 'streaming', upstream: 'ollama' }]);
    expect(await late.ask('join', { generationId: id, after: 0 })).toMatchObject({
      ok: true,
      state: 'streaming',
      seq: 1,
    });
    request.text('two').done();
    await Promise.all([late.ended(id), asking.ended(id)]);
    expect(late.text(id)).toBe('one two');
    for (const outsider of [stranger, nobody]) {
      await outsider.ask('leave', { generationId: id });
      expect(outsider.states).toEqual([]);
    }
    // What has ended is not told of.
    const later = await connect('ada');
    await later.ask('leave', { generationId: id });
    expect(later.states).toEqual([]);
  });

  it('goes on while one tab is left, and another tab may cancel it', async () => {
    const [asking, other] = await Promise.all([connect('ada'), connect('ada')]);
    const id = await started(asking, 'send_message', hello);
    const request = await upstream.nextCall();
    asking.close();
    request.text('x');
    await other.until(() => other.text(id) === 'x');
    expect(await other.ask('cancel', { generationId: id })).toMatchObject({ state: 'cancelled' });
    await request.closed;
    expect(await other.ended(id)).toMatchObject({ state: 'cancelled', reason: 'client' });
  });

  it.each<[string, unknown, string, object]>([
    ['another user', 'eve', 'send_message', hello],
    ['another spelling', 'Ada', 'send_message', hello],
    ['no user', undefined, 'send_message', hello],
    ['no user', undefined, 'chat', { messages: MESSAGES, audience: 'user' }],
    ['no user', undefined, 'generate', { prompt: 'hi', audience: 'user' }],
  ])('are forbidden to %s (%j) with %s', async (_who, userId, event, request) => {
    const earlier = upstream.calls.length;
    const [ada, client] = [await connect('ada'), await connect(userId)];
    expect(await client.ask(event, request)).toMatchObject({
      ok: false,
      error: { code: 'forbidden', retryable: false },
    });
    expect(upstream.calls.length).toBe(earlier);
    expect(ada.log).toEqual([]);
  });

  it.each([{}, { onDisconnect: 'keep' }])(
    'are forbidden over REST without a user: %j',
    async (more) => {
      const client = await connect();
      const reader = 'onDisconnect' in more ? {} : { clientId: client.id };
      const body = { prompt: 'hi', audience: 'user', ...reader, ...more };
      expect(await call('POST', `${app.url}/llm/generate`, body)).toMatchObject({
        status: 403,
        body: { code: 'forbidden' },
      });
    },
  );

  it.each([
    { user_id: 'ada' },
    { user_content: 'hi' },
    { ...hello, user_id: 7 },
    { ...hello, temperature: 'hot' },
    { ...hello, model: 'x' },
  ])('send_message refuses %j', async (request) => {
    const client = await connect('ada');
    expect(await client.ask('send_message', request)).toMatchObject({
      ok: false,
      error: { code: 'invalid_request' },
    });
  });

  it.each<[string, unknown]>([
    ['a number', 7],
    ['an empty text', ''],
    ['a very long text', 'x'.repeat(129)],
    ['an object', { $ne: null }],
  ])('a user id that is %s is refused at the handshake', async (_what, userId) => {
    expect(await refused(app.socketUrl, { userId })).toMatchObject({ code: 'invalid_request' });
  });
});

/** What `connect_error` says of a handshake that is refused. */
async function refused(
  socketUrl: string,
  auth: object,
  extraHeaders: Record<string, string> = {},
): Promise<unknown> {
  const options = { forceNew: true, reconnection: false, auth, extraHeaders };
  const socket = io(`${socketUrl}/events`, options);
  try {
    return await new Promise((resolve, reject) => {
      socket.once('connect', () => reject(new Error('it was let in')));
      socket.once('connect_error', (error) => resolve((error as { data?: unknown }).data));
    });
  } finally {
    socket.disconnect();
  }
}

describe('a server that others than this machine reach', () => {
  const HOST = '0.0.0.0';
  const local = (url: string): string => url.replace(/\/\/[^:]+:/, '//127.0.0.1:');

  it('does not believe a client that says who it is', async () => {
    const app = await startApp({ HOST, ALLOW_ANONYMOUS: 'true' });
    try {
      const url = local(app.socketUrl);
      expect(await refused(url, { userId: 'ada' })).toMatchObject({
        code: 'forbidden',
        retryable: false,
      });
      const client = await Client.connect(url);
      expect(
        await client.ask('send_message', { user_id: 'ada', user_content: 'hi' }),
      ).toMatchObject({
        ok: false,
        error: { code: 'forbidden' },
      });
      client.close();
    } finally {
      await app.close();
    }
  });

  it('is one behind a proxy too, although it listens on this machine alone', async () => {
    const app = await startApp();
    try {
      const extraHeaders = { 'x-forwarded-for': '203.0.113.9' };
      expect(await refused(app.socketUrl, { userId: 'ada' }, extraHeaders)).toMatchObject({
        code: 'forbidden',
      });
    } finally {
      await app.close();
    }
  });

  it('believes it where TRUST_CLIENT_USER_ID says so', async () => {
    const upstream = await ScriptedUpstream.start();
    const app = await startApp({
      HOST,
      ALLOW_ANONYMOUS: 'true',
      TRUST_CLIENT_USER_ID: 'true',
      OLLAMA_BASE_URL: upstream.url,
    });
    try {
      const client = await Client.connect(local(app.socketUrl), { auth: { userId: 'ada' } });
      const ack = await client.ask('send_message', { user_id: 'ada', user_content: 'hi' });
      expect(ack).toMatchObject({ ok: true });
      client.close();
    } finally {
      await app.close();
      await upstream.close();
    }
  });
});
