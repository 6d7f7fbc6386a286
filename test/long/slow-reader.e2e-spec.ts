import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { StreamRecord } from '../../src/protocol/records.js';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { Client } from '../support/client.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { Oracle, type OracleReader } from '../support/oracle.js';
import { call } from '../support/rest.js';
import { ResumingClient, SseReader } from '../support/resuming-client.js';
import { until } from '../support/until.js';

const MIB = 1_048_576;
/** A piece and how many of them: more than the kernel's buffers on the way take. */
const PIECE = `${'The sky is blué 😀. '.repeat(400)}\n`;
const PIECES = 1_000;
const SLOW_READER_MS = 800;
/** For those who take a little: the kernel makes room in steps of a megabyte. */
const DRIBBLE_READER_MS = 2_000;
const STALLED_READERS = 20;
/** What so many stalled readers may cost: their socket buffers, a record each, and noise. */
const STALLED_MIB = 24;

/** An upstream that streams as fast as it is read; each `go` lets one request begin. */
async function fastUpstream() {
  let calls = 0;
  let open = 0;
  let closed = 0;
  let endless = false;
  let gone = 0;
  const going = new EventEmitter();
  const line = (fields: object): string =>
    `${JSON.stringify({ model: 'llama3.2', created_at: 'now', ...fields })}\n`;
  const server = createServer(async (request, response) => {
    if (request.url !== '/api/generate') {
      return response.end(JSON.stringify({ version: '0', models: [{ name: 'llama3.2' }] }));
    }
    const turn = ++calls;
    request.resume();
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    if (gone < turn) await once(going, String(turn));
    open++;
    response.once('close', () => {
      open--;
      closed++;
    });
    const bytes = line({ response: PIECE, done: false });
    for (let count = 0; count < PIECES && !response.destroyed; count++) {
      if (!response.write(bytes)) await Promise.race([once(response, 'drain'), sleep(1_000)]);
    }
    if (endless) return undefined;
    return response.end(line({ response: '', done: true, done_reason: 'stop' }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: () => calls,
    open: () => open,
    closed: () => closed,
    go: () => {
      gone++;
      going.emit(String(gone));
    },
    /** Never sends the last line. */
    hold: () => void (endless = true),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe('a reader that falls behind', () => {
  let upstream: Awaited<ReturnType<typeof fastUpstream>>;
  let app: RunningServer;
  let proxy: FaultProxy;
  let oracle: Oracle;
  let open: { close(): void }[];

  const boot = async (env: Record<string, string | number> = {}): Promise<void> => {
    app = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      MAX_OUTPUT_BYTES: 64 * MIB,
      SLOW_READER_MS: 60_000,
      ...env,
    });
  };
  beforeEach(async () => {
    upstream = await fastUpstream();
    oracle = new Oracle();
    for (let count = 0; count < PIECES; count++) oracle.sent('text', PIECE);
    open = [];
  });
  afterEach(async () => {
    for (const one of open) one.close();
    await proxy?.close();
    await app?.close();
    upstream?.close();
  });

  const start = async (more: object = { onDisconnect: 'keep' }): Promise<string> => {
    const { body } = await call('POST', `${app.url}/llm/generate`, { prompt: 'much', ...more });
    return body.generationId;
  };
  const proxyTo = async (url: string): Promise<void> => {
    proxy = await FaultProxy.start(Number(new URL(url).port));
  };
  /** A socket behind the proxy that has joined. */
  const join = async (id: string, reader: OracleReader, options: object = {}): Promise<Client> => {
    const client = await Client.connect(proxy.url, options);
    open.push(client);
    // The records are judged as they come; kept, they would count as memory of the server.
    client.socket.off('streamData').on('streamData', (record: StreamRecord) => {
      if (record.from !== undefined) merged++;
      reader.receive(record);
    });
    await client.ask('join', { generationId: id, after: 0 });
    return client;
  };
  let merged = 0;
  beforeEach(() => (merged = 0));
  const state = async (id: string): Promise<string> =>
    (await call('GET', `${app.url}/llm/generations/${id}`)).body.state;
  const ended = async (id: string): Promise<void> => {
    let now = '';
    // Each look brings all of the text.
    await until(() => upstream.closed() === upstream.calls());
    await until(async () => {
      await sleep(100);
      now = await state(id);
      return !['queued', 'starting', 'streaming'].includes(now);
    });
    expect(now).toBe('completed');
  };

  it.each([['websocket'], ['polling']])(
    'on %s gets merged records when it takes bytes again, nothing is missing, and others never wait',
    async (transport) => {
      await boot();
      await proxyTo(app.socketUrl);
      const id = await start();
      const slow = oracle.reader('slow');
      await join(id, slow, { transports: [transport] });
      proxy.stall();
      upstream.go();
      // Neither the producer nor this reader knows of the stalled one.
      const other = oracle.reader('other');
      const sse = await SseReader.open(app.url, id, 0, (record) => void other.receive(record));
      expect(await sse.over).toBe(true);
      expect(slow.terminal).toBeUndefined();
      proxy.resume();
      await until(() => slow.terminal !== undefined);
      expect(oracle.problems()).toEqual([]);
      expect(slow.terminals).toHaveLength(1);
      expect(merged).toBeGreaterThan(0);
    },
  );

  it('that moves from polling to WebSocket in mid-stream misses nothing and gets nothing twice', async () => {
    await boot();
    await proxyTo(app.socketUrl);
    proxy.delayMs = 60;
    const id = await start();
    const reader = oracle.reader();
    const results: string[] = [];
    const receive = reader.receive.bind(reader);
    reader.receive = (record) => {
      const result = receive(record);
      if (result !== 'applied') results.push(result);
      return result;
    };
    const client = await Client.connect(proxy.url);
    open.push(client);
    expect(client.socket.io.engine.transport.name).toBe('polling');
    client.socket.on('streamData', (record: StreamRecord) => void reader.receive(record));
    client.socket.emit('join', { generationId: id, after: 0 });
    upstream.go();
    await until(() => client.socket.io.engine.transport.name === 'websocket');
    expect(reader.terminal).toBeUndefined();
    proxy.delayMs = 0;
    await until(() => reader.terminal !== undefined);
    expect(oracle.problems()).toEqual([]);
    expect(results).toEqual([]);
  });

  it('by SSE gets merged records when it takes bytes again, and nothing is missing', async () => {
    await boot();
    await proxyTo(app.url);
    const id = await start();
    const slow = oracle.reader('slow');
    const sse = await SseReader.open(proxy.url, id, 0, (record) => {
      if (record.from !== undefined) merged++;
      slow.receive(record);
    });
    proxy.stall();
    upstream.go();
    await ended(id);
    expect(slow.terminal).toBeUndefined();
    proxy.resume();
    expect(await sse.over).toBe(true);
    expect(oracle.problems()).toEqual([]);
    expect(merged).toBeGreaterThan(0);
  });

  it(`costs no memory beyond its buffer: ${STALLED_READERS} of them together under ${STALLED_MIB} MiB`, async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const used = async (): Promise<number> => {
      // What was written goes only after some turns of the event loop.
      for (let turns = 0; turns < 5; turns++) {
        collect();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const { heapUsed, external } = process.memoryUsage();
      return (heapUsed + external) / MIB;
    };
    await boot();
    await proxyTo(app.socketUrl);
    const readers = Array.from({ length: STALLED_READERS }, () => oracle.reader());
    const grown: number[] = [];
    // The first one is not read by anybody: what it costs is its log.
    for (const some of [[], readers]) {
      const id = await start();
      for (const reader of some) await join(id, reader, { transports: ['websocket'] });
      if (some.length > 0) proxy.stall();
      const before = await used();
      upstream.go();
      await ended(id);
      grown.push((await used()) - before);
    }
    expect(readers.every(({ terminal }) => terminal === undefined)).toBe(true);
    const [log = 0, stalled = 0] = grown;
    expect(stalled - log).toBeLessThan(STALLED_MIB);
    // Without a bound each of them would hold its own copy.
    expect(STALLED_READERS * log).toBeGreaterThan(10 * STALLED_MIB);
  });

  describe('and takes no byte for SLOW_READER_MS', () => {
    it.each([
      ['websocket', { transports: ['websocket'] }],
      ['polling', { transports: ['polling'] }],
    ])('is cut on %s, which counts as gone', async (_, options) => {
      await boot({ SLOW_READER_MS, ABANDON_AFTER_MS: 0 });
      await proxyTo(app.socketUrl);
      const client = await Client.connect(proxy.url, options);
      open.push(client);
      const id = await start({ clientId: client.id });
      upstream.hold();
      proxy.stall();
      const stalledAt = performance.now();
      upstream.go();
      await until(() => upstream.open() === 1);
      // Only the loss of its one reader ends it.
      await until(() => upstream.open() === 0);
      expect(performance.now() - stalledAt).toBeGreaterThan(SLOW_READER_MS * 0.9);
      expect(await call('GET', `${app.url}/llm/generations/${id}`)).toMatchObject({
        body: { state: 'cancelled', reason: 'abandoned' },
      });
      proxy.resume();
      await until(() => !client.socket.connected);
    });

    it('can join again and then has all of it', async () => {
      await boot({ SLOW_READER_MS });
      await proxyTo(app.socketUrl);
      const request = { prompt: 'much', idempotencyKey: 'k' };
      const reader = oracle.reader();
      const client = new ResumingClient(proxy.url, reader, request, { transports: ['websocket'] });
      open.push(client);
      await until(() => client.generationId !== undefined);
      proxy.stall();
      upstream.go();
      // Until then a busy machine still moves bytes.
      await ended(client.generationId!);
      await sleep(2.5 * SLOW_READER_MS);
      expect(client.connects).toBe(1);
      proxy.resume();
      await until(() => client.isDone);
      expect(client.connects).toBe(2);
      expect(oracle.problems()).toEqual([]);
      expect(upstream.calls()).toBe(1);
    });

    it('by SSE is cut, too, and can go on from there', async () => {
      await boot({ SLOW_READER_MS });
      await proxyTo(app.url);
      const id = await start();
      const reader = oracle.reader();
      const receive = (record: StreamRecord): void => void reader.receive(record);
      const sse = await SseReader.open(proxy.url, id, 0, receive);
      proxy.stall();
      upstream.go();
      // Until then a busy machine still moves bytes.
      await ended(id);
      await sleep(2.5 * SLOW_READER_MS);
      proxy.resume();
      expect(await sse.over).toBe(false);
      expect(reader.terminal).toBeUndefined();
      const again = await SseReader.open(proxy.url, id, reader.last, receive);
      expect(await again.over).toBe(true);
      expect(oracle.problems()).toEqual([]);
    });
  });

  it.each([['websocket'], ['polling'], ['SSE']])(
    'but takes some bytes all the time is not cut (%s)',
    async (way) => {
      await boot({ SLOW_READER_MS: DRIBBLE_READER_MS });
      await proxyTo(way === 'SSE' ? app.url : app.socketUrl);
      const id = await start();
      const reader = oracle.reader();
      let gone = false;
      if (way === 'SSE') {
        const sse = await SseReader.open(proxy.url, id, 0, (record) => void reader.receive(record));
        open.push(sse);
        void sse.over.then((complete) => (gone = !complete));
      } else {
        const client = await join(id, reader, { transports: [way] });
        client.socket.once('disconnect', () => (gone = true));
      }
      proxy.bytesPerMs = 1_500;
      upstream.go();
      await sleep(2 * DRIBBLE_READER_MS);
      expect(gone).toBe(false);
      expect(reader.last).toBeGreaterThan(0);
      expect(reader.terminal).toBeUndefined();
      proxy.bytesPerMs = Infinity;
      await until(() => reader.terminal !== undefined);
      expect(gone).toBe(false);
      expect(oracle.problems()).toEqual([]);
    },
  );
});
