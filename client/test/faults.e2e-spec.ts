import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningServer } from '../../src/server.js';
import { startAppWithEngine } from '../../test/support/engine.js';
import { FaultProxy } from '../../test/support/fault-proxy.js';
import { freePort } from '../../test/support/free-port.js';
import { Oracle } from '../../test/support/oracle.js';
import { ScriptedUpstream, type UpstreamCall } from '../../test/support/scripted-upstream.js';
import { shortTokenSource } from '../../test/support/short-tokens.js';
import { until, within } from '../../test/support/until.js';
import { type Cast, type CastStream, connect, type ConnectOptions } from '../src/index.js';
import { PageStub } from './support/page-stub.js';

const socket = { reconnectionDelay: 5, reconnectionDelayMax: 50 };
const NEVER = { reconnectionDelay: 600_000, reconnectionDelayMax: 600_000 };
/** Sooner than the heartbeat, which finds a dead connection after 25 s. */
const SOON_MS = 15_000;

describe('the client on a bad network', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let proxy: FaultProxy;
  let port: number;
  let casts: Cast[] = [];
  let page: PageStub | undefined;
  let killer: ((end: NodeJS.EventEmitter) => void) | undefined;

  /** The server's connections. */
  let engine: NodeJS.EventEmitter;

  const start = async (): Promise<RunningServer> => {
    const env = { OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 8, SOCKET_PORT: port };
    const started = await startAppWithEngine(env);
    engine = started.engine;
    return started.app;
  };
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    port = await freePort();
    app = await start();
  });
  beforeEach(async () => {
    proxy = await FaultProxy.start(port);
  });
  afterEach(async () => {
    for (const cast of casts) cast.close();
    casts = [];
    page?.close();
    page = undefined;
    if (killer !== undefined) engine.off('connection', killer);
    killer = undefined;
    await proxy.close();
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  const open = (options: ConnectOptions = {}): Cast => {
    const cast = connect(proxy.url, { socket, ...shortTokenSource, ...options });
    casts.push(cast);
    cast.open();
    return cast;
  };
  /** Cuts the connection, and lets no new one in until `proxy.refusing` is over. */
  const goOffline = async (stream: CastStream): Promise<void> => {
    proxy.refusing = true;
    proxy.cut();
    await until(() => !stream.view.connected);
  };
  /** Asks, and holds every record that is applied against what the upstream says. */
  const ask = (cast: Cast, prompt: string, fields: object = {}) => {
    const oracle = new Oracle();
    const judge = oracle.reader();
    const verdicts: string[] = [];
    const onRecord = (record: Parameters<typeof judge.receive>[0]): void =>
      void verdicts.push(judge.receive(record));
    const stream = cast.generate({ prompt, ...fields }, { onRecord });
    return { stream, oracle, repeatedOrLost: () => verdicts.filter((told) => told !== 'applied') };
  };
  /** The model writes so many pieces, and ends. @returns all that it wrote */
  const write = async (request: UpstreamCall, oracle: Oracle, count: number, everyMs: number) => {
    let text = '';
    for (let at = 0; at < count; at++) {
      const piece = ` ${at} é😀`;
      oracle.sent('text', piece);
      request.text(piece);
      text += piece;
      await sleep(everyMs);
    }
    request.done();
    return text;
  };
  const collect = async (stream: CastStream): Promise<string> => {
    let text = '';
    for await (const part of stream) text += part;
    return text;
  };

  it.each([['websocket'], ['polling']])(
    'loses nothing and repeats nothing over cuts at any byte (%s)',
    async (transport) => {
      const count = 4;
      const before = upstream.calls.length;
      // A poll brings all that is missing at once; one that never gets through would never end.
      const most = transport === 'polling' ? 20_000 : 6_000;
      proxy.onConnection = (connection) =>
        connection.cutAfter(300 + Math.floor(Math.random() * most));
      const cast = open({ socket: { ...socket, transports: [transport] } });
      const asked = Array.from({ length: count }, (_, at) => ask(cast, `stream ${at}`));
      const texts = asked.map(({ stream }) => collect(stream));
      const writing = async (request: UpstreamCall): Promise<string> => {
        const { oracle } = asked.find((_, at) => request.body['prompt'] === `stream ${at}`)!;
        return write(request, oracle, 150, 4);
      };
      const sent = await Promise.all(
        Array.from({ length: count }, async () => writing(await upstream.nextCall())),
      );
      expect((await Promise.all(texts)).sort()).toEqual(sent.sort());
      for (const { stream, oracle, repeatedOrLost } of asked) {
        expect(await stream.result).toMatchObject({ state: 'completed', verified: true });
        expect(oracle.problems()).toEqual([]);
        expect(repeatedOrLost()).toEqual([]);
      }
      expect(upstream.calls).toHaveLength(before + count);
      expect(proxy.connections.length).toBeGreaterThan(3);
    },
  );

  /** Has the server close every WebSocket at this moment of its life. */
  const killAt = (moment: 'upgrading' | 'upgrade') => {
    const deaths = { count: 0 };
    killer = (end) =>
      void end.on(moment, (websocket: { close(): void }) => {
        deaths.count++;
        websocket.close();
      });
    engine.on('connection', killer);
    return deaths;
  };

  it('goes on by polling at once when the WebSocket dies before it takes over', async () => {
    // The answer to its probe has left just then.
    const deaths = killAt('upgrading');
    const { stream, oracle, repeatedOrLost } = ask(open(), 'why?');
    // Before there is anything to poll for: a poll that ends lets the WebSocket take over.
    await until(() => deaths.count === 1);
    const request = await within(SOON_MS, upstream.nextCall());
    await write(request, oracle, 100, 10);
    await until(() => stream.state === 'completed', SOON_MS);
    expect([...oracle.problems(), ...repeatedOrLost()]).toEqual([]);
  });

  it('stays with polling when WebSockets die as soon as they take over', async () => {
    const deaths = killAt('upgrade');
    const cast = open();
    await until(() => deaths.count === 3);
    await until(() => cast.connected);
    const { stream, oracle, repeatedOrLost } = ask(cast, 'why?');
    const request = await upstream.nextCall();
    await write(request, oracle, 50, 10);
    expect(await stream.result).toMatchObject({ verified: true });
    expect([...oracle.problems(), ...repeatedOrLost()]).toEqual([]);
    expect(deaths.count).toBe(3);
  });

  it.each([{}, { idempotencyKey: undefined }])(
    'starts nothing twice when the ack is lost (%o)',
    async (fields) => {
      // Socket.IO sends nothing while it changes transports.
      const cast = open({ socket: { ...socket, transports: ['websocket'] } });
      await until(() => cast.connected);
      const before = upstream.calls.length;
      proxy.stall();
      const { stream, oracle } = ask(cast, 'why?', fields);
      const request = await upstream.nextCall();
      proxy.cut();
      proxy.resume();
      oracle.sent('text', 'because');
      request.text('because');
      await until(() => stream.text === 'because');
      request.done();
      expect(await stream.result).toMatchObject({ verified: true });
      expect(oracle.problems()).toEqual([]);
      expect(upstream.calls).toHaveLength(before + 1);
    },
  );

  it('shows that the connection is gone, and goes on when it is back', async () => {
    const cast = open();
    const { stream, oracle } = ask(cast, 'why?');
    const request = await upstream.nextCall();
    oracle.sent('text', 'The');
    request.text('The');
    await until(() => stream.text === 'The');
    await goOffline(stream);
    oracle.sent('text', ' sky');
    request.text(' sky').done();
    await until(() => proxy.refused > 3);
    proxy.refusing = false;
    expect(await collect(stream)).toBe('The sky');
    expect(oracle.problems()).toEqual([]);
  });

  it('cancels after the connection is back what was cancelled without one', async () => {
    const stream = open().generate({ prompt: 'why?' });
    const request = await upstream.nextCall();
    await until(() => stream.generationId !== undefined);
    await goOffline(stream);
    const cancelled = stream.cancel();
    await until(() => proxy.refused > 1);
    expect(request.isOpen).toBe(true);
    proxy.refusing = false;
    expect(await cancelled).toMatchObject({ state: 'cancelled', verified: true });
    await request.closed;
  });

  it('cancels then also what was left meanwhile', async () => {
    const stream = open().generate({ prompt: 'why?' });
    const request = await upstream.nextCall();
    await until(() => stream.generationId !== undefined);
    await goOffline(stream);
    const cancelled = stream.cancel();
    stream.leave();
    proxy.refusing = false;
    await request.closed;
    expect(await cancelled).toMatchObject({ state: 'cancelled' });
  });

  it.each([['online'], ['visibilitychange']])(
    'does not wait for the end of the back-off on %s',
    async (event) => {
      page = new PageStub();
      const { stream, oracle } = ask(open({ socket: NEVER }), 'why?');
      const request = await upstream.nextCall();
      await until(() => stream.generationId !== undefined);
      proxy.cut();
      await until(() => !stream.view.connected);
      oracle.sent('text', 'here');
      request.text('here').done();
      await sleep(100);
      expect(stream.text).toBe('');
      page.hidden = true;
      page.dispatchEvent(new Event('visibilitychange'));
      await sleep(50);
      expect(proxy.connections.filter(({ isOpen }) => isOpen)).toEqual([]);
      page.hidden = false;
      page.dispatchEvent(new Event(event));
      expect(await collect(stream)).toBe('here');
      expect(oracle.problems()).toEqual([]);
    },
  );

  it('finds out on waking that its connection is dead', async () => {
    page = new PageStub();
    const cast = open({ ackTimeoutMs: 2_000, socket: { transports: ['websocket'] } });
    const { stream, oracle, repeatedOrLost } = ask(cast, 'why?');
    const request = await upstream.nextCall();
    await until(() => stream.generationId !== undefined);
    proxy.stall();
    oracle.sent('text', 'The');
    request.text('The');
    await sleep(300);
    expect(proxy.connections).toHaveLength(1);
    page.dispatchEvent(new Event('online'));
    await until(() => proxy.connections.length > 1, SOON_MS);
    proxy.resume();
    oracle.sent('text', ' sky');
    request.text(' sky').done();
    expect(await collect(stream)).toBe('The sky');
    expect([...oracle.problems(), ...repeatedOrLost()]).toEqual([]);
  });

  it('keeps up with a slow link by larger records', async () => {
    const { stream, oracle, repeatedOrLost } = ask(open(), 'a long one');
    const request = await upstream.nextCall();
    await until(() => stream.generationId !== undefined);
    proxy.bytesPerMs = 200;
    const piece = 'All work and no play. '.repeat(40);
    for (let at = 0; at < 400; at++) {
      oracle.sent('text', piece);
      request.text(piece);
    }
    request.done();
    await until(() => proxy.bytesToClients > 100_000);
    proxy.cut();
    expect((await collect(stream)).length).toBe(piece.length * 400);
    expect([...oracle.problems(), ...repeatedOrLost()]).toEqual([]);
  });

  it('goes on after a reload, from the start or behind the text that is still there', async () => {
    const items = new Map<string, string>();
    const storage = {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
    };
    const before = open({ storage });
    const old = before.generate({ prompt: 'why?' });
    const request = await upstream.nextCall();
    request.text('The').text(' sky');
    await until(() => old.text === 'The sky');
    before.close();
    expect(open({ storage }).unfinished()).toEqual([{ generationId: old.generationId, seq: 2 }]);

    const after = open({ storage });
    const [{ generationId, seq }] = after.unfinished() as [{ generationId: string; seq: number }];
    const whole = after.join(generationId);
    const seqs: number[] = [];
    const rest = open().join(generationId, {
      known: { seq, text: 'The sky' },
      onRecord: (record) => void seqs.push(record.from ?? record.seq),
    });
    await until(() => whole.text === 'The sky');
    request.text(' is blue').done();
    for (const stream of [whole, rest]) {
      expect(await collect(stream)).toBe('The sky is blue');
      expect(await stream.result).toMatchObject({ verified: true });
    }
    expect(seqs[0]).toBe(3);
    expect(after.unfinished()).toEqual([]);
  });

  describe('and a server that restarts', () => {
    it('tells of the interruption, and asks the new one anew', async () => {
      const cast = open();
      const { stream, oracle } = ask(cast, 'why?');
      const request = await upstream.nextCall();
      oracle.sent('text', 'The');
      request.text('The');
      await until(() => stream.text === 'The');
      await app.close();
      await expect(collect(stream)).rejects.toMatchObject({ code: 'node_shutdown' });
      expect(await stream.result).toMatchObject({ state: 'interrupted', verified: true });
      expect(oracle.problems()).toEqual([]);

      const waiting = cast.generate({ prompt: 'and now?' });
      const before = upstream.calls.length;
      await sleep(100);
      expect(waiting.state).toBe('connecting');
      app = await start();
      (await upstream.nextCall()).text('now').done();
      expect(await collect(waiting)).toBe('now');
      expect(upstream.calls).toHaveLength(before + 1);
    });

    it('says so where the answer is gone with it, and keeps what was read', async () => {
      const { stream, repeatedOrLost } = ask(open(), 'why?');
      const request = await upstream.nextCall();
      request.text('The sky');
      await until(() => stream.text === 'The sky');
      // As if it crashed: no last word reaches the client.
      proxy.refusing = true;
      proxy.cut();
      await app.close();
      app = await start();
      proxy.refusing = false;
      await expect(collect(stream)).rejects.toMatchObject({ code: 'generation_not_found' });
      await expect(stream.result).rejects.toMatchObject({ code: 'generation_not_found' });
      expect(stream.text).toBe('The sky');
      expect(repeatedOrLost()).toEqual([]);
    });
  });
});
