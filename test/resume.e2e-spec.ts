import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { startApp } from './support/app.js';
import { type Client, textOf } from './support/client.js';
import { fraction } from './support/fraction.js';
import { Oracle } from './support/oracle.js';
import { call } from './support/rest.js';
import type { ScriptedUpstream, UpstreamCall } from './support/scripted-upstream.js';
import { Stage } from './support/stage.js';

const UNKNOWN = 'AAAAAAAAAAAAAAAAAAAAAA';
const RETAIN_MS = 600;

describe('join', () => {
  let stage: Stage;
  let upstream: ScriptedUpstream;

  beforeAll(async () => {
    stage = await Stage.open({ MAX_CONCURRENT: 8 });
    ({ upstream } = stage);
  });
  afterEach(() => stage.hangUp());
  afterAll(() => stage?.close());

  const connect = (userId?: string, url?: string): Promise<Client> => stage.connect(userId, url);
  const start = (client: Client) => stage.generate(client);
  const join = (client: Client, generationId: string, after: unknown) =>
    client.ask('join', { generationId, after });
  const seqs = (client: Client, id: string): [from: number, seq: number][] =>
    client.of(id).map(({ seq, from = seq }) => [from, seq]);
  const streamed = async (client: Client, id: string, request: UpstreamCall, pieces: string[]) => {
    const before = client.text(id);
    for (const piece of pieces) request.text(piece);
    await client.until(() => client.text(id) === before + pieces.join(''));
  };
  const PIECES = ['The', ' sky', ' is', ' blué', ' 😀'];

  it('from any position gives the records after it, merged, then the live ones', async () => {
    const first = await connect();
    const { id, request } = await start(first);
    await streamed(first, id, request, PIECES);
    const late = await Promise.all(PIECES.map(() => connect()));
    for (const [after, client] of late.entries()) {
      expect(await join(client, id, after)).toEqual({ ok: true, state: 'streaming', seq: 5 });
      await client.until(() => client.of(id).length > 0);
      expect(client.text(id)).toBe(PIECES.slice(after).join(''));
      // One record says which ones it covers; a single one is not merged.
      const [record] = client.of(id);
      expect(record).toMatchObject({ seq: 5, done: false });
      expect(record?.from).toBe(after === 4 ? undefined : after + 1);
    }
    request.text(' today').done();
    const terminal = await first.ended(id);
    for (const client of late) {
      expect(await client.ended(id)).toEqual(terminal);
      expect(seqs(client, id).slice(1)).toEqual([
        [6, 6],
        [7, 7],
        [8, 8],
      ]);
    }
  });

  it('after the end gives the same from any position, as often as it is asked', async () => {
    const first = await connect();
    const { id, request } = await start(first);
    await streamed(first, id, request, PIECES);
    request.done();
    const terminal = await first.ended(id);
    const client = await connect();
    for (let after = 0; after <= terminal.seq; after++) {
      const before = client.records.length;
      expect(await join(client, id, after)).toEqual({ ok: true, state: 'completed', seq: 7 });
      // A round trip: whatever comes, has come.
      await client.ask('leave', { generationId: id });
      const got = client.records.slice(before);
      expect(got.map(textOf).join('')).toBe(PIECES.slice(after).join(''));
      expect(got.length).toBe(Math.min(3, terminal.seq - after));
      if (after < terminal.seq) expect(got.at(-1)).toEqual(terminal);
    }
  });

  it('is answered before the first record', async () => {
    const first = await connect();
    const { id, request } = await start(first);
    await streamed(first, id, request, PIECES);
    const client = await connect();
    // Not `ask`: its promise is heard later than a record that came in the same packet.
    const heard: string[] = [];
    client.socket.on('streamData', () => heard.push('record'));
    client.socket.emit('join', { generationId: id, after: 0 }, () => heard.push('ack of join'));
    await client.until(() => heard.length === 2);
    client.socket.emit('generate', { prompt: 'again' }, () => heard.push('ack of generate'));
    (await upstream.nextCall()).text('x').done();
    await client.until(() => heard.length === 6);
    expect(heard).toEqual([
      'ack of join',
      'record',
      'ack of generate',
      ...Array.from({ length: 3 }, () => 'record'),
    ]);
    request.done();
  });

  it('again on the same socket replaces the first: live records come once', async () => {
    const client = await connect();
    const { id, request } = await start(client);
    await streamed(client, id, request, ['one']);
    await join(client, id, 1);
    await join(client, id, 0);
    await join(client, id, 1);
    request.text(' two').done();
    await client.ended(id);
    await client.ask('leave', { generationId: id });
    expect(seqs(client, id)).toEqual([
      [1, 1],
      // The join after 0.
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 4],
    ]);
  });

  it('leaves what other sockets read alone, two tabs of one user included', async () => {
    const [tab, otherTab] = [await connect('ann'), await connect('ann')];
    const { id, request } = await start(tab);
    await join(otherTab, id, 0);
    for (const piece of PIECES) request.text(piece);
    await tab.until(() => tab.text(id) === PIECES.join(''));
    await tab.ask('leave', { generationId: id });
    request.text(' and on').done();
    await otherTab.ended(id);
    expect(otherTab.text(id)).toBe(`${PIECES.join('')} and on`);
    expect(seqs(otherTab, id).map(([from]) => from)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(tab.text(id)).toBe(PIECES.join(''));
  });

  it('has no seam between what is kept and what is live, wherever and whenever it comes', async () => {
    const readers = await Promise.all(Array.from({ length: 3 }, () => connect()));
    const owner = await connect();
    const moment = fc.record({
      waitMs: fc.integer({ min: 0, max: 15 }),
      part: fraction,
    });
    await fc.assert(
      fc.asyncProperty(fc.tuple(moment, moment, moment), async (moments) => {
        const oracle = new Oracle();
        const { id, request } = await start(owner);
        let count = 0;
        const writing = setInterval(() => {
          for (let left = count % 4; left >= 0; left--) {
            const piece = `${++count} 😀`;
            oracle.sent('text', piece);
            request.text(piece);
          }
        }, 1);
        const judged = await Promise.all(
          moments.map(async ({ waitMs, part }, at) => {
            await sleep(waitMs);
            const after = Math.floor(part * owner.of(id).length);
            const client = readers[at]!;
            const reader = oracle.reader(`reader ${at}`, after);
            const dropped: number[] = [];
            client.socket.on('streamData', (record) => {
              if (record.generationId !== id) return;
              if (reader.receive(record) !== 'applied') dropped.push(record.seq);
            });
            expect(await join(client, id, after)).toMatchObject({ ok: true });
            return { client, dropped };
          }),
        );
        await sleep(5);
        clearInterval(writing);
        request.done();
        const whole = oracle.reader('owner');
        await owner.ended(id);
        for (const record of owner.of(id)) whole.receive(record);
        for (const { client, dropped } of judged) {
          await client.ended(id);
          client.socket.off('streamData');
          expect(dropped).toEqual([]);
        }
        expect(oracle.problems()).toEqual([]);
        for (const { client } of judged) client.socket.on('streamData', keep(client));
      }),
      { numRuns: 25 },
    );
  });
  // `off` above takes the client's own listener away, too.
  const keep = (client: Client) => (record: Client['records'][number]) =>
    void client.records.push(record);

  it.each([[6], [-1], [1.5], ['1'], [null], [undefined], [2 ** 53], [[1]]])(
    'after %p, where there are five records, is invalid_request',
    async (after) => {
      const client = await connect();
      const { id, request } = await start(client);
      await streamed(client, id, request, PIECES);
      expect(await join(client, id, after)).toEqual({
        ok: false,
        error: {
          code: 'invalid_request',
          message: expect.any(String),
          retryable: false,
          details: [expect.objectContaining({ path: 'after' })],
        },
      });
      // It still reads as before.
      request.done();
      expect(await client.ended(id)).toMatchObject({ seq: 7, state: 'completed' });
    },
  );

  it.each([['short'], [`${UNKNOWN}A`], [''], [7], [null], [{}]])(
    'of a generation that cannot be (%p) is invalid_request',
    async (generationId) => {
      const client = await connect();
      expect(await client.ask('join', { generationId, after: 0 })).toMatchObject({
        ok: false,
        error: { code: 'invalid_request', details: [{ path: 'generationId' }] },
      });
    },
  );

  it('of a generation of another user is told as one that there is not', async () => {
    const [ann, bob, nobody] = [await connect('ann'), await connect('bob'), await connect()];
    const { id, request } = await start(ann);
    await streamed(ann, id, request, ['secret']);
    const missing = await join(bob, UNKNOWN, 0);
    expect(missing).toMatchObject({ ok: false, error: { code: 'generation_not_found' } });
    for (const other of [bob, nobody]) {
      expect(await join(other, id, 0)).toEqual(missing);
      expect(await other.ask('leave', { generationId: id })).toEqual(missing);
      expect(await other.ask('cancel', { generationId: id })).toEqual(missing);
    }
    request.done();
    expect(await ann.ended(id)).toMatchObject({ state: 'completed' });
    expect([...bob.records, ...nobody.records]).toEqual([]);
  });

  it('of a generation that was kept long enough is told as one that there is not', async () => {
    const shortly = await startApp({ OLLAMA_BASE_URL: upstream.url, RETAIN_MS });
    try {
      const client = await connect(undefined, shortly.socketUrl);
      const { id, request } = await start(client);
      // It ends later than this, however busy the machine is.
      const endedAt = performance.now();
      request.text('gone soon').done();
      await client.ended(id);
      const missing = await join(client, UNKNOWN, 0);
      while ((await join(client, id, 0)).ok) await sleep(20);
      expect(performance.now() - endedAt).toBeGreaterThan(RETAIN_MS * 0.9);
      expect(await join(client, id, 0)).toEqual(missing);
      for (const path of [id, `${id}/events`]) {
        expect(await call('GET', `${shortly.url}/llm/generations/${path}`)).toMatchObject({
          status: 404,
          body: { code: 'generation_not_found' },
        });
      }
      expect(upstream.open).toBe(0);
    } finally {
      await shortly.close();
    }
  });

  it('is undone by leave, which may be said twice', async () => {
    const [client, stays] = [await connect(), await connect()];
    const { id, request } = await start(client);
    await streamed(client, id, request, ['heard']);
    await join(stays, id, 0);
    expect(await client.ask('leave', { generationId: id })).toEqual({ ok: true });
    expect(await client.ask('leave', { generationId: id })).toEqual({ ok: true });
    const states = client.states.length;
    request.text(', not heard').done();
    await stays.ended(id);
    await client.ask('leave', { generationId: id });
    expect(client.text(id)).toBe('heard');
    expect(client.states).toHaveLength(states);
    // And it may come back.
    await join(client, id, 1);
    await client.ended(id);
    expect(client.text(id)).toBe('heard, not heard');
  });
});
