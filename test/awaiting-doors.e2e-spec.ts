import { setTimeout as sleep } from 'node:timers/promises';
import type * as Generations from '../src/generations/generations.service.js';
import { textOf } from './support/client.js';
import { call } from './support/rest.js';
import { SseReader } from './support/resuming-client.js';
import { Stage } from './support/stage.js';
import { until } from './support/until.js';

/** How long each door waits for what it asks of the generations, at the most. */
const PAUSE_MS = 40;
const ABANDON_AFTER_MS = 300;

type Service = Record<string, (...args: unknown[]) => unknown>;
const ASKED = ['start', 'pull', 'get', 'activeOf', 'queue'];

/** In a cluster all of this is asked of another node: doors may wait before they read. */
describe('doors that wait before they read', () => {
  let service: Service;
  const originals = new Map<string, Service[string]>();
  let stage: Stage;
  /** Of the next calls, in milliseconds. */
  let pause = (): number => Math.random() * PAUSE_MS;

  beforeAll(async () => {
    const { GenerationsService } = await importOnce<typeof Generations>(
      'src/generations/generations.service.ts',
    );
    service = GenerationsService.prototype as unknown as Service;
    for (const name of ASKED) {
      const original = service[name]!;
      originals.set(name, original);
      service[name] = async function (this: unknown, ...args: unknown[]) {
        await sleep(pause());
        return original.apply(this, args);
      };
    }
    stage = await Stage.open({ MAX_CONCURRENT: 8, ABANDON_AFTER_MS });
  });
  afterEach(() => {
    pause = () => Math.random() * PAUSE_MS;
    stage.hangUp();
  });
  afterAll(async () => {
    for (const [name, original] of originals) service[name] = original;
    await stage?.close();
  });

  it('tell the ack before the first record, and every record once, over the socket', async () => {
    const client = await stage.connect();
    const { id, request } = await stage.generate(client);
    for (let count = 0; count < 50; count++) {
      request.text(` ${count}`);
      if (count % 10 === 0) await sleep(1);
    }
    request.done();
    await client.ended(id);
    expect(client.log.find(({ event }) => event !== 'streamState')).toMatchObject({ event: 'ack' });
    const ranges = client.of(id).map(({ from, seq }) => [from ?? seq, seq] as const);
    expect(ranges.map(([from]) => from)).toEqual(
      [0, ...ranges.map(([, seq]) => seq)].slice(0, -1).map((seq) => seq + 1),
    );
    expect(client.text(id)).toBe(Array.from({ length: 50 }, (_, at) => ` ${at}`).join(''));
  });

  it('join a second reader, over the socket and over SSE, without a hole', async () => {
    const client = await stage.connect();
    const { id, request } = await stage.generate(client);
    request.text('a');
    const second = await stage.connect();
    const joined = second.accepted('join', { generationId: id, after: 0 });
    const sse = SseReader.open(stage.app.url, id);
    for (const piece of 'bcdefgh') {
      request.text(piece);
      await sleep(5);
    }
    await joined;
    request.done();
    await second.ended(id);
    const { over, records } = await sse;
    expect(await over).toBe(true);
    expect(second.text(id)).toBe('abcdefgh');
    expect(records.map(textOf).join('')).toBe('abcdefgh');
  });

  it('leave nothing behind where the socket has gone meanwhile: the generation is abandoned', async () => {
    const client = await stage.connect();
    const { id, request } = await stage.generate(client);
    const second = await stage.connect();
    pause = () => 200;
    second.socket.emit('join', { generationId: id, after: 0 });
    await sleep(20);
    second.close();
    client.close();
    await until(() => !request.isOpen);
    pause = () => 0;
    expect((await call('GET', `${stage.app.url}/llm/generations/${id}`)).body).toMatchObject({
      state: 'cancelled',
      reason: 'abandoned',
    });
  });

  it('leave nothing behind where the SSE response has gone meanwhile', async () => {
    const client = await stage.connect();
    const { id, request } = await stage.generate(client);
    pause = () => 200;
    const abort = new AbortController();
    const asked = fetch(`${stage.app.url}/llm/generations/${id}/events`, {
      signal: abort.signal,
    }).catch(() => undefined);
    await sleep(50);
    abort.abort();
    client.close();
    await asked;
    await until(() => !request.isOpen);
    pause = () => 0;
    expect((await call('GET', `${stage.app.url}/llm/generations/${id}`)).body).toMatchObject({
      state: 'cancelled',
      reason: 'abandoned',
    });
  });

  it('start for a client over REST, cancel and view as ever', async () => {
    const client = await stage.connect();
    const started = await call('POST', `${stage.app.url}/llm/generate`, {
      clientId: client.id,
      prompt: 'why is the sky blue?',
    });
    expect(started).toMatchObject({ status: 201, body: { status: 'Streaming started' } });
    const request = await stage.upstream.nextCall();
    request.text('blue');
    const id = started.body.generationId as string;
    await client.until(() => client.text(id) === 'blue');
    const ended = await call('DELETE', `${stage.app.url}/llm/generations/${id}`);
    expect(ended).toMatchObject({ status: 200, body: { state: 'cancelled', text: 'blue' } });
    expect(await client.ended(id)).toMatchObject({ state: 'cancelled' });
  });
});
