import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { FaultProxy } from '../../test/support/fault-proxy.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { until } from '../../test/support/until.js';
import { type Cast, connect, type ConnectOptions } from '../src/index.js';
import { RecentIds } from '../src/recent-ids.js';

/** Counts what is asked of it. */
class CountingStorage {
  readonly items = new Map<string, string>();
  reads = 0;
  writes = 0;

  getItem(key: string): string | null {
    this.reads++;
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.writes++;
    this.items.set(key, value);
  }
}

describe('the client does no more than it must', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let proxy: FaultProxy;
  let casts: Cast[] = [];

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 4 });
    proxy = await FaultProxy.start(Number(new URL(app.socketUrl).port));
  });
  afterEach(() => {
    for (const cast of casts) cast.close();
    casts = [];
  });
  afterAll(async () => {
    await proxy?.close();
    await app?.close();
    await upstream?.close();
  });

  const open = (options: ConnectOptions = {}, url = app.socketUrl): Cast => {
    const cast = connect(url, options);
    casts.push(cast);
    return cast;
  };

  it('writes the list of what is being read seldom, however many tokens come', async () => {
    const storage = new CountingStorage();
    const cast = open({ storage });
    const stream = cast.generate({ prompt: 'why?' });
    const request = await upstream.nextCall();
    await until(() => stream.generationId !== undefined);
    const startedAt = Date.now();
    for (let at = 0; at < 200; at++) {
      request.text('word ');
      await until(() => stream.text.length === 5 * (at + 1));
    }
    const seconds = (Date.now() - startedAt) / 1000;
    expect(storage.writes).toBeLessThanOrEqual(2 + seconds);
    expect(storage.reads).toBeLessThanOrEqual(2 + seconds);
    // The page goes away: the last record is in the list, not that of some time ago.
    cast.close();
    expect(open({ storage }).unfinished()).toEqual([
      { generationId: stream.generationId, seq: stream.view.seq },
    ]);
    request.done();
  });

  it('forgets at once what is over', async () => {
    const storage = new CountingStorage();
    const cast = open({ storage });
    const stream = cast.generate({ prompt: 'why?' });
    const request = await upstream.nextCall();
    await until(() => stream.generationId !== undefined);
    expect(cast.unfinished()).toHaveLength(1);
    request.text('because').done();
    await stream.result;
    expect(cast.unfinished()).toEqual([]);
  });

  it.each(['null', '{}', '"x"', '[null, {"seq":1}]', 'no JSON'])(
    'goes on where something else stands in the place of the list: %s',
    async (kept) => {
      const items = new Map<string, string>();
      const storage = {
        getItem: (key: string) => items.get(key) ?? kept,
        setItem: (key: string, value: string) => void items.set(key, value),
      };
      const cast = open({ storage });
      expect(cast.unfinished()).toEqual([]);
      const stream = cast.generate({ prompt: 'why?' });
      const request = await upstream.nextCall();
      await until(() => stream.generationId !== undefined);
      expect(cast.unfinished()).toEqual([{ generationId: stream.generationId, seq: 0 }]);
      request.text('because').done();
      expect(await stream.result).toMatchObject({ verified: true });
    },
  );

  it('gives the records also to a second join that asks for them', async () => {
    const cast = open();
    const stream = cast.generate({ prompt: 'why?' });
    const request = await upstream.nextCall();
    request.text('one');
    await until(() => stream.text === 'one');
    const seqs: number[] = [];
    const second = cast.join(stream.generationId!, { onRecord: ({ seq }) => void seqs.push(seq) });
    request.text(' two').done();
    await second.result;
    expect(seqs).toEqual([2, 3, 4]);
  });

  it('cancels by id without fetching the answer', async () => {
    const stream = open().generate({ prompt: 'a long one' });
    const request = await upstream.nextCall();
    const piece = 'All work and no play. '.repeat(2_000);
    for (let at = 0; at < 25; at++) request.text(piece);
    await until(() => stream.text.length === 25 * piece.length);
    const before = proxy.bytesToClients;
    const record = await open({}, proxy.url).cancel(stream.generationId!);
    expect(record).toMatchObject({ state: 'cancelled', reason: 'client' });
    expect(await stream.result).toMatchObject(record);
    expect(proxy.bytesToClients - before).toBeLessThan(20_000);
    // Over already, and asked again: the same.
    expect(await open({}, proxy.url).cancel(stream.generationId!)).toEqual(record);
  });

  it('passes on the idempotency key of sendMessage', async () => {
    const auth = { userId: 'ada' };
    const before = upstream.calls.length;
    const [one, other] = [open({ auth }), open({ auth })];
    const message = { user_content: 'Hi', idempotencyKey: 'the-same' };
    const first = one.sendMessage(message);
    const request = await upstream.nextCall();
    await until(() => first.generationId !== undefined);
    const second = other.sendMessage(message);
    request.text('Hello').done();
    await Promise.all([first.result, second.result]);
    expect(second.generationId).toBe(first.generationId);
    expect(upstream.calls).toHaveLength(before + 1);
  });

  it('remembers of which generations it has heard, but not all of them for ever', () => {
    const ids = new RecentIds();
    let heardOfFirst = 0;
    for (let at = 0; at < 5_000; at++) {
      expect(ids.add(`id ${at}`)).toBe(true);
      // One that goes on all the time stays known.
      if (ids.add('the first')) heardOfFirst++;
    }
    expect(heardOfFirst).toBe(1);
    expect(ids.add('id 4999')).toBe(false);
    expect(ids.size).toBeLessThanOrEqual(1_000);
  });
});
