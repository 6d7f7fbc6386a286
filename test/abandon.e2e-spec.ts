import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from './support/client.js';
import { call } from './support/rest.js';
import { SseReader } from './support/resuming-client.js';
import { Stage } from './support/stage.js';
import { until } from './support/until.js';

/** A busy machine is late by some of it. */
const ABANDON_AFTER_MS = 1_000;
const END = new Set(['completed', 'cancelled', 'failed', 'interrupted']);

describe('a generation that nobody reads any more', () => {
  const stages: Stage[] = [];
  afterAll(() => Promise.all(stages.map((stage) => stage.close())));

  /** A server of its own for each test: they wait side by side. */
  const open = async () => {
    const stage = await Stage.open({ ABANDON_AFTER_MS });
    stages.push(stage);
    const { app, upstream } = stage;
    const connect = (): Promise<Client> => stage.connect();
    const start = async (client: Client, fields: object = {}) => {
      const started = await stage.generate(client, fields);
      started.request.text('The sky');
      await client.until(() => client.text(started.id) === 'The sky');
      return started;
    };
    const view = async (id: string) => (await call('GET', `${app.url}/llm/generations/${id}`)).body;
    /** As it is once it has its end. */
    const ended = async (id: string) => {
      await until(async () => END.has((await view(id)).state));
      return view(id);
    };
    return { app, upstream, connect, start, view, ended };
  };
  /** Longer than the grace time. */
  const outwait = () => sleep(ABANDON_AFTER_MS * 2);
  const abandoned = {
    state: 'cancelled',
    reason: 'abandoned',
    text: 'The sky',
    bytes: 7,
    upstreamClosedMs: expect.any(Number),
  };

  const ways: Record<string, (client: Client, id: string) => Promise<unknown> | void> = {
    'its reader disconnected': (client) => client.close(),
    'its reader left': (client, generationId) => client.ask('leave', { generationId }),
    "its reader's network broke": (client) => void client.socket.io.engine.close(),
  };
  it.concurrent.each(Object.keys(ways))(
    'is cancelled a while after %s, and its upstream closed',
    async (way) => {
      const { connect, start, ended } = await open();
      const client = await connect();
      client.socket.io.reconnection(false);
      const { id, request } = await start(client);
      const leftAt = performance.now();
      await ways[way]!(client, id);
      await request.closed;
      expect(performance.now() - leftAt).toBeGreaterThan(ABANDON_AFTER_MS * 0.9);
      expect(await ended(id)).toMatchObject(abandoned);
    },
  );

  it.concurrent('is cancelled before its first token, too', async () => {
    const { upstream, connect, ended } = await open();
    const client = await connect();
    const ack = await client.accepted('generate', { prompt: 'slow' });
    const request = await upstream.nextCall();
    client.close();
    await request.closed;
    expect(await ended(ack.generationId)).toMatchObject({
      ...abandoned,
      text: '',
      bytes: 0,
      seq: 1,
    });
  });

  it.concurrent(
    'is cancelled only when the last of several readers is gone, SSE included',
    async () => {
      const { app, connect, start, view, ended } = await open();
      const [client, other] = [await connect(), await connect()];
      const { id, request } = await start(client);
      await other.ask('join', { generationId: id, after: 0 });
      const sse = await SseReader.open(app.url, id);
      client.close();
      await outwait();
      other.close();
      await outwait();
      expect(await view(id)).toMatchObject({ state: 'streaming' });
      sse.close();
      await request.closed;
      expect(await ended(id)).toMatchObject(abandoned);
    },
  );

  it.concurrent('goes on if somebody joins in time, and each absence is counted anew', async () => {
    const { connect, start, view } = await open();
    const client = await connect();
    /** @returns whether each absence was short: the machine may stand still */
    const comeAndGo = async (id: string): Promise<boolean> => {
      for (let times = 0; times < 4; times++) {
        const leftAt = performance.now();
        await client.ask('leave', { generationId: id });
        await sleep(ABANDON_AFTER_MS / 3);
        await client.ask('join', { generationId: id, after: 1 });
        if (performance.now() - leftAt > ABANDON_AFTER_MS) return false;
      }
      return true;
    };
    let started = await start(client);
    while (!(await comeAndGo(started.id))) {
      started.request.done();
      started = await start(client);
    }
    const { id, request } = started;
    await outwait();
    expect(await view(id)).toMatchObject({ state: 'streaming' });
    request.text(' is blue').done();
    expect(await client.ended(id)).toMatchObject({ state: 'completed', bytes: 15 });
    expect(client.text(id)).toBe('The sky is blue');
  });

  it.concurrent(
    'has not ended while its reader, which joins again and again, is there',
    async () => {
      const { connect, start } = await open();
      const client = await connect();
      const { id, request } = await start(client);
      for (let times = 0; times < 4; times++) {
        await client.ask('join', { generationId: id, after: 1 });
        await sleep(ABANDON_AFTER_MS / 3);
      }
      request.done();
      expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    },
  );

  it.concurrent('runs to its end with onDisconnect keep', async () => {
    const { connect, start, ended } = await open();
    const client = await connect();
    const { id, request } = await start(client, { onDisconnect: 'keep' });
    client.close();
    await outwait();
    request.text(' is blue').done();
    expect(await ended(id)).toMatchObject({ state: 'completed', text: 'The sky is blue' });
  });

  it.concurrent('is told as abandoned to whoever comes later', async () => {
    const { connect, start, ended } = await open();
    const [client, late] = [await connect(), await connect()];
    const { id, request } = await start(client);
    client.close();
    await request.closed;
    await ended(id);
    await late.ask('join', { generationId: id, after: 0 });
    expect(await late.ended(id)).toMatchObject({ seq: 2, reason: 'abandoned', bytes: 7 });
    expect(late.text(id)).toBe('The sky');
  });
});
