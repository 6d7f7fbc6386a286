import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { io } from 'socket.io-client';
import type { RunningServer } from '../../src/server.js';
import { Client } from '../support/client.js';
import { startAppWithEngine } from '../support/engine.js';
import { FaultProxy, type ProxiedConnection } from '../support/fault-proxy.js';
import { Oracle } from '../support/oracle.js';
import { ResumingClient, SseReader } from '../support/resuming-client.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { HAS_SHORT_TOKENS, shortAuth } from '../support/short-tokens.js';
import { PATIENCE_MS, untilAtLast } from '../support/until.js';

// With tokens that are over in two seconds a busy machine brings back no more at a time.
const GENERATIONS = HAS_SHORT_TOKENS ? 15 : 50;
const CUTS = 20;
/** The handshake of a WebSocket alone takes 400 bytes, so cuts fall into it, too. */
const MOST_BYTES_BEFORE_CUT = 1_500;
/**
 * A plain client whose WebSocket is cut in mid-upgrade stays in the dark until the heartbeat runs out
 * (docs/decisions). That can happen to one more than once, so here it runs out sooner. In milliseconds.
 */
const HEARTBEAT = { pingInterval: 2_000, pingTimeout: 3_000 };
const WRITE_EVERY_MS = 40;
const WORDS = ['The', ' sky', ' is', ' blué', ' 😀', ' 天空', '.\n', ' and', ' why', ' not?'];

describe('on a network that cuts each connection at a random byte', () => {
  // `FAULT_SEED=… npm test -- faults` repeats a run, as far as the clock allows.
  const seed = Number(process.env['FAULT_SEED'] ?? Date.now() % 1_000_000);
  // The generator's samples are the seeded random numbers of the whole run.
  const random = fc.sample(fc.nat(MOST_BYTES_BEFORE_CUT), { seed, numRuns: 150_000 });
  const next = (): number => {
    const number = random.pop();
    if (number === undefined) throw new Error('no random numbers left');
    return number;
  };
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let lines: { client: ResumingClient; proxy: FaultProxy; oracle: Oracle }[] = [];

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    const env = {
      OLLAMA_BASE_URL: upstream.url,
      MAX_CONCURRENT: GENERATIONS,
      // On a busy machine some client is cut off for longer than one usually may.
      ABANDON_AFTER_MS: 600_000,
    };
    const started = await startAppWithEngine(env);
    app = started.app;
    Object.assign(started.engine.opts, HEARTBEAT);
  });
  afterAll(async () => {
    for (const { client, proxy } of lines) {
      client.close();
      await proxy.close();
    }
    await app?.close();
    await upstream?.close();
  });

  /** After how many bytes each connection is to be cut. */
  const armed = new Map<ProxiedConnection, number>();
  const cuts = (proxy: FaultProxy): number =>
    proxy.connections.filter((one) => one.bytesToClient === armed.get(one)).length;

  it(`${GENERATIONS} generations at once are whole after ${CUTS} cuts each`, async () => {
    process.stdout.write(`faults: FAULT_SEED=${seed}\n`);
    const port = Number(new URL(app.socketUrl).port);
    lines = await Promise.all(
      Array.from({ length: GENERATIONS }, async (_, at) => {
        const proxy = await FaultProxy.start(port);
        proxy.onConnection = (connection) => {
          if (cuts(proxy) >= CUTS) return;
          armed.set(connection, next());
          connection.cutAfter(armed.get(connection)!);
        };
        const oracle = new Oracle();
        const client = new ResumingClient(
          proxy.url,
          oracle.reader(`client ${at}`),
          { prompt: String(at), idempotencyKey: `question ${at}` },
          // A plain client begins with polling; every second one has WebSocket only.
          at % 2 === 0 ? { transports: ['websocket'] } : {},
        );
        return { client, proxy, oracle };
      }),
    );

    const writing = setInterval(() => {
      for (const call of upstream.calls) {
        const { oracle } = lines[Number(call.body['prompt'])]!;
        const piece = WORDS[next() % WORDS.length]!;
        oracle.sent('text', piece);
        call.text(piece);
      }
    }, WRITE_EVERY_MS);
    try {
      await untilAtLast(
        // All have asked: cuts of handshakes alone may be enough for one.
        () =>
          upstream.calls.length === GENERATIONS && lines.every(({ proxy }) => cuts(proxy) >= CUTS),
        () => lines.reduce((sum, { proxy }) => sum + proxy.connections.length, 0),
      );
    } finally {
      clearInterval(writing);
    }
    for (const call of upstream.calls) call.done();
    await untilAtLast(
      () => lines.every(({ client }) => client.isDone),
      () => lines.filter(({ client }) => client.isDone).length,
    );

    expect(lines.flatMap(({ oracle }) => oracle.problems())).toEqual([]);
    expect(lines.flatMap(({ client }) => client.refusals)).toEqual([]);
    expect(lines.map(({ client }) => client.reader.terminal?.state)).toEqual(
      lines.map(() => 'completed'),
    );
    expect(new Set(lines.map(({ client }) => client.generationId)).size).toBe(GENERATIONS);
    expect(upstream.calls).toHaveLength(GENERATIONS);
    expect(upstream.open).toBe(0);
    // Not all cuts fell into the handshake.
    const connects = lines.reduce((sum, { client }) => sum + client.connects, 0);
    expect(connects).toBeGreaterThan((GENERATIONS * CUTS) / 4);
  }, 600_000);
});

describe('what has ended leaves nothing behind', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  /** The server's ends of all connections so far: no public way leads to them. */
  const ends: { transport: object }[] = [];

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    const started = await startAppWithEngine({ OLLAMA_BASE_URL: upstream.url });
    app = started.app;
    started.engine.on('connection', (end: (typeof ends)[number]) => ends.push(end));
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  const listeners = (): Record<string, number> => {
    const end = ends.at(-1);
    if (end === undefined) throw new Error('no connection');
    const counts: Record<string, number> = {};
    for (const emitter of [end, end.transport] as NodeJS.EventEmitter[]) {
      for (const name of emitter.eventNames()) {
        // engine.io puts one there for the length of a write.
        if (name !== 'drain') counts[String(name)] = emitter.listenerCount(name);
      }
    }
    return counts;
  };
  const resources = (): number => process.getActiveResourcesInfo().length;
  const round = async (client: Client): Promise<void> => {
    const ack = await client.ask('generate', { prompt: 'x' });
    if (!ack.ok) throw new Error(ack.error.code);
    const { generationId } = ack;
    const request = await upstream.nextCall();
    const sse = await SseReader.open(app.url, generationId);
    request.text('The sky');
    await client.ask('join', { generationId, after: 0 });
    await client.ask('leave', { generationId });
    await client.ask('join', { generationId, after: 1 });
    request.done();
    await client.ended(generationId);
    await sse.over;
  };

  it('neither timers nor connections nor listeners, however much a client does', async () => {
    const client = await Client.connect(app.socketUrl, { transports: ['websocket'] });
    await round(client);
    const before = { listeners: listeners(), resources: resources() };
    for (let count = 0; count < 30; count++) await round(client);
    expect(listeners()).toEqual(before.listeners);
    // Jest's own timers come and go; each round would leave at least one.
    await client.until(() => resources() < before.resources + 15);
    client.close();
    await client.until(() => upstream.open === 0);
  });

  it('no listeners either where a namespace is left and entered again on one connection', async () => {
    const root = io(app.socketUrl, { forceNew: true, transports: ['websocket'] });
    const events = root.io.socket('/events', shortAuth());
    const toggle = async (): Promise<void> => {
      const entered = new Promise<void>((resolve) => events.once('connect', () => resolve()));
      events.connect();
      await entered;
      // Answered, so the server knows this socket; then gone, and known to be gone.
      await events.timeout(PATIENCE_MS).emitWithAck('leave', { generationId: 'A'.repeat(22) });
      events.disconnect();
      await sleep(20);
    };
    try {
      await toggle();
      const before = listeners();
      for (let count = 0; count < 20; count++) await toggle();
      expect(listeners()).toEqual(before);
    } finally {
      events.disconnect();
      root.disconnect();
    }
  });
});
