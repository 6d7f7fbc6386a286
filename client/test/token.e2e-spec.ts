import { setTimeout as sleep } from 'node:timers/promises';
import { startApp } from '../../test/support/app.js';
import { Client } from '../../test/support/client.js';
import { SECRET, tokenOf } from '../../test/support/credentials.js';
import { FaultProxy } from '../../test/support/fault-proxy.js';
import { Oracle } from '../../test/support/oracle.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { until } from '../../test/support/until.js';
import type { RunningServer } from '../../src/server.js';
import { type Cast, type CastStream, connect, type ConnectOptions } from '../src/index.js';
import { renewAfter } from '../src/token.js';

describe('the client with tokens', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let proxy: FaultProxy;
  let cast: Cast | undefined;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      JWT_SECRET: SECRET,
      MAX_CONCURRENT: 8,
      LIMIT_RUNNING: 0,
      // A cut connection counts until the server has noticed.
      LIMIT_SOCKETS: 0,
      LIMIT_STARTS_PER_MINUTE: 0,
      LIMIT_JOINS_PER_10S: 0,
      LIMIT_HANDSHAKES_PER_10S: 0,
    });
  });
  beforeEach(async () => {
    proxy = await FaultProxy.start(Number(new URL(app.socketUrl).port));
  });
  afterEach(async () => {
    cast?.close();
    await proxy.close();
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  const open = (
    token: () => Promise<string | undefined>,
    options: ConnectOptions = {},
    url = proxy.url,
  ): Cast => {
    const socket = { reconnectionDelay: 5, reconnectionDelayMax: 50 };
    cast = connect(url, { restUrl: app.url, token, socket, ...options });
    return cast;
  };
  /** Asks, and holds every record against what the upstream says. */
  const ask = (prompt: string) => {
    const oracle = new Oracle();
    const judge = oracle.reader();
    const wrong: string[] = [];
    const stream = cast!.generate(
      { prompt },
      {
        onRecord: (record) => {
          const told = judge.receive(record);
          if (told !== 'applied') wrong.push(told);
        },
      },
    );
    return { stream, oracle, wrong };
  };
  const collect = async (stream: CastStream): Promise<string> => {
    let text = '';
    for await (const part of stream) text += part;
    return text;
  };

  it('fetches one before it connects, and for the list of models', async () => {
    let fetched = 0;
    open(() => {
      fetched++;
      return tokenOf('ada');
    });
    expect(fetched).toBe(0);
    expect((await cast!.models()).map(({ name }) => name)).toEqual(['llama3.2']);
    const { stream } = ask('hi');
    (await upstream.nextCall()).text('hello').done();
    expect(await collect(stream)).toBe('hello');
    expect(fetched).toBe(2);
  });

  it('is refused with a bad one, and says so', async () => {
    open(() => Promise.resolve('bad'));
    await expect(collect(ask('hi').stream)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(cast!.connection.state).toBe('refused');
  });

  it('says why there is none for the list of models', async () => {
    open(() => Promise.reject(new Error('the backend is away')));
    await expect(cast!.models()).rejects.toMatchObject({
      name: 'CastError',
      code: 'unreachable',
      message: expect.stringContaining('the backend is away'),
      retryable: true,
    });
  });

  it.each([new Error('the backend is away'), undefined])(
    'tries again where its backend gave none (%s)',
    async (why) => {
      let tries = 0;
      open(() => (++tries < 3 ? Promise.reject(why) : tokenOf('ada')));
      const { stream } = ask('hi');
      (await upstream.nextCall()).text('hello').done();
      expect(await collect(stream)).toBe('hello');
      expect(tries).toBe(3);
    },
  );

  it('connects without one where there is none, and says what else it is told', async () => {
    const anonymous = await startApp({ OLLAMA_BASE_URL: upstream.url });
    try {
      const options = { auth: { userId: 'ada' }, restUrl: anonymous.url };
      open(() => Promise.resolve(undefined), options, anonymous.socketUrl);
      expect((await cast!.models()).map(({ name }) => name)).toEqual(['llama3.2']);
      const stream = cast!.chat({ messages: [{ role: 'user', content: 'hi' }], audience: 'user' });
      (await upstream.nextCall()).text('hello').done();
      expect(await collect(stream)).toBe('hello');
    } finally {
      cast?.close();
      await anonymous.close();
    }
  });

  it('uses the token of its latest connection, also where that of an earlier one comes late', async () => {
    const late: (() => void)[] = [];
    open(async () => {
      if (late.length < 2) await new Promise<void>((resolve) => late.push(resolve));
      return tokenOf('ada');
    });
    const { stream } = ask('hi');
    await until(() => late.length === 1);
    proxy.cut();
    await until(() => late.length === 2);
    let connected = 0;
    cast!.subscribe(({ state }) => void (connected += state === 'up' ? 1 : 0));
    for (const give of late) give();
    (await upstream.nextCall()).text('hello').done();
    expect(await collect(stream)).toBe('hello');
    expect(connected).toBe(1);
  });

  it('waits for its place where its user has as many sockets as may be', async () => {
    const narrow = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      JWT_SECRET: SECRET,
      LIMIT_SOCKETS: 1,
    });
    const other = await Client.connect(narrow.socketUrl, { auth: { token: await tokenOf('ada') } });
    try {
      open(() => tokenOf('ada'), {}, narrow.socketUrl);
      const { stream } = ask('hi');
      await until(() => cast!.connection.error !== undefined);
      expect(cast!.connection).toMatchObject({
        state: 'connecting',
        error: { code: 'rate_limited', retryAfterMs: expect.any(Number) },
      });
      other.close();
      (await upstream.nextCall()).text('hello').done();
      expect(await collect(stream)).toBe('hello');
    } finally {
      cast?.close();
      other.close();
      await narrow.close();
    }
  });

  it('reads on later where its user has joined as often as may be', async () => {
    const narrow = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      JWT_SECRET: SECRET,
      MAX_CONCURRENT: 1,
      LIMIT_JOINS_PER_10S: 2,
    });
    const line = await FaultProxy.start(Number(new URL(narrow.socketUrl).port));
    try {
      open(() => tokenOf('ada'), {}, line.url);
      const streams = ['one', 'two', 'three'].map((prompt) => ask(prompt).stream);
      await until(() => streams.filter(({ state }) => state === 'queued').length === 2);
      // Nothing has come of them yet: each is read from its beginning.
      line.cut();
      await until(() => streams.some(({ view }) => !view.connected));
      for (let at = 0; at < streams.length; at++) (await upstream.nextCall()).text('hello').done();
      expect(await Promise.all(streams.map(collect))).toEqual(['hello', 'hello', 'hello']);
    } finally {
      cast?.close();
      await line.close();
      await narrow.close();
    }
  });

  it('replaces a token before it ends, on the same connection', async () => {
    let fetched = 0;
    let connections = 0;
    proxy.onConnection = () => void connections++;
    open(
      () => {
        fetched++;
        return tokenOf('ada', undefined, 2);
      },
      { socket: { transports: ['websocket'] } },
    );
    const { stream, wrong } = ask('hi');
    const request = await upstream.nextCall();
    const text = collect(stream);
    request.text('one');
    // Longer than the first token is good, with all that clocks may differ.
    await sleep(8_500);
    request.text(' two').done();
    expect(await text).toBe('one two');
    expect(wrong).toEqual([]);
    expect(fetched).toBeGreaterThan(5);
    expect(connections).toBe(1);
  });

  it('comes back with a new one after its socket was closed for the old one', async () => {
    let isAway = false;
    open(async () => {
      // A renewal that hangs: the server closes the socket, five seconds after the end of the token.
      if (isAway) await until(() => !isAway);
      return tokenOf('ada', undefined, 2);
    });
    const { stream, wrong } = ask('hi');
    const request = await upstream.nextCall();
    const text = collect(stream);
    request.text('one');
    await until(() => stream.text === 'one');
    isAway = true;
    await until(() => !stream.view.connected);
    request.text(' two');
    isAway = false;
    request.text(' three').done();
    expect(await text).toBe('one two three');
    expect(wrong).toEqual([]);
  });

  it('loses nothing and repeats nothing over cuts, with tokens of two seconds', async () => {
    proxy.onConnection = (connection) =>
      connection.cutAfter(300 + Math.floor(Math.random() * 6_000));
    open(() =>
      Math.random() < 0.1 ? Promise.reject(new Error('away')) : tokenOf('ada', undefined, 2),
    );
    const before = upstream.calls.length;
    const asked = Array.from({ length: 4 }, (_, at) => ask(`stream ${at}`));
    const texts = asked.map(({ stream }) => collect(stream));
    await until(() => upstream.calls.length === before + 4);
    const written = await Promise.all(
      upstream.calls.slice(before).map(async (request) => {
        await upstream.nextCall();
        const at = Number(/\d$/.exec(String(request.body['prompt']))?.[0]);
        let text = '';
        for (let piece = 0; piece < 300; piece++) {
          const said = ` ${piece} é😀`;
          asked[at]!.oracle.sent('text', said);
          request.text(said);
          text += said;
          await sleep(20);
        }
        request.done();
        return { at, text };
      }),
    );
    for (const { at, text } of written) expect(await texts[at]).toBe(text);
    expect(asked.flatMap(({ wrong }) => wrong)).toEqual([]);
  });
});

describe('when a token is replaced', () => {
  const jwt = (claims: object): string =>
    `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;

  it.each([
    [jwt({ iat: 1_000, exp: 1_900 }), 870_000],
    [jwt({ iat: 1_000, exp: 1_010 }), 5_000],
    [jwt({ exp: 1_010 }), undefined],
    ['lck_shop_abc', undefined],
    ['', undefined],
  ])('%s: after %s ms', (token, after) => {
    expect(renewAfter(token)).toBe(after);
  });
});
