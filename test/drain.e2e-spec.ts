import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { FaultProxy } from './support/fault-proxy.js';
import { Oracle } from './support/oracle.js';
import { ResumingClient, SseReader } from './support/resuming-client.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

const PIECE_BYTES = 65_536;
/** Together more than the kernel’s buffers take: 8 MiB. */
const PIECES = 128;

describe('a server that goes down', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let closed: Promise<void> | undefined;
  let open: { close(): unknown }[];

  const boot = async (env: Record<string, string | number> = {}): Promise<void> => {
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, DRAIN_MS: 10_000, ...env });
  };
  beforeEach(async () => {
    upstream = await ScriptedUpstream.start();
    open = [];
    closed = undefined;
  });
  afterEach(async () => {
    for (const one of open) await one.close();
    await (closed ?? app?.close());
    await upstream?.close();
  });

  const connect = async (): Promise<Client> => {
    const client = await Client.connect(app.socketUrl, { reconnection: false });
    open.push(client);
    return client;
  };
  const start = async (client: Client, prompt = 'why is the sky blue?'): Promise<string> => {
    const ack = await client.accepted('generate', { prompt });
    return ack.generationId;
  };
  const proxyTo = async (url: string): Promise<FaultProxy> => {
    const proxy = await FaultProxy.start(Number(new URL(url).port));
    open.push(proxy);
    return proxy;
  };

  it('sends the whole line home at once, to be asked again elsewhere, and calls nobody for it', async () => {
    await boot();
    const client = await connect();
    const running = await start(client);
    const request = await upstream.nextCall();
    const waiting = [await start(client, 'second'), await start(client, 'third')];
    closed = app.close();
    for (const id of waiting) {
      expect(await client.ended(id)).toMatchObject({
        seq: 1,
        state: 'interrupted',
        code: 'node_shutdown',
        retryable: true,
        bytes: 0,
      });
    }
    // Whoever waits is sent home first, and what runs may end.
    request.text('still').done();
    expect(await client.ended(running)).toMatchObject({ state: 'completed' });
    await closed;
    expect(upstream.calls).toHaveLength(1);
  });

  it('interrupts what nobody has read anything of as retryable', async () => {
    await boot({ DRAIN_MS: 50 });
    const client = await connect();
    const id = await start(client);
    const request = await upstream.nextCall();
    closed = app.close();
    expect(await client.ended(id)).toMatchObject({ state: 'interrupted', retryable: true });
    await request.closed;
  });

  it('lets others join what still runs, over both doors, and tells everyone the end', async () => {
    await boot();
    const client = await connect();
    const late = await connect();
    const id = await start(client);
    const request = await upstream.nextCall();
    request.text('The sky');
    await client.until(() => client.text(id) !== '');
    closed = app.close();
    expect(await late.ask('join', { generationId: id, after: 0 })).toMatchObject({ ok: true });
    const sse = await SseReader.open(app.url, id);
    request.text(' is blue').done();
    const terminal = await client.ended(id);
    expect(await late.ended(id)).toEqual(terminal);
    expect(await sse.over).toBe(true);
    expect(sse.records.at(-1)).toEqual(terminal);
    expect(late.text(id)).toBe('The sky is blue');
  });

  it('tells SSE readers of what it interrupts, and ends their responses', async () => {
    await boot({ DRAIN_MS: 100 });
    const client = await connect();
    const id = await start(client);
    const sse = await SseReader.open(app.url, id);
    (await upstream.nextCall()).text('The sky');
    await client.until(() => sse.records.length === 1);
    closed = app.close();
    expect(await sse.over).toBe(true);
    expect(sse.records.slice(1)).toMatchObject([{ state: 'interrupted', code: 'node_shutdown' }]);
  });

  it.each([
    ['websocket', 'ends meanwhile'],
    ['polling', 'ends meanwhile'],
    ['SSE', 'ends meanwhile'],
    ['websocket', 'had ended before'],
    ['polling', 'had ended before'],
    ['SSE', 'had ended before'],
  ])(
    'gives a %s reader that is behind the time to fetch its last records of what %s',
    async (way, when) => {
      await boot();
      const client = await connect();
      const id = await start(client);
      const request = await upstream.nextCall();
      const proxy = await proxyTo(way === 'SSE' ? app.url : app.socketUrl);
      const oracle = new Oracle();
      const reader = oracle.reader(way);
      if (way === 'SSE') {
        open.push(await SseReader.open(proxy.url, id, 0, (record) => void reader.receive(record)));
      } else {
        const slow = await Client.connect(proxy.url, { transports: [way], reconnection: false });
        open.push(slow);
        slow.socket.on('streamData', (record) => void reader.receive(record));
        await slow.ask('join', { generationId: id, after: 0 });
      }
      proxy.stall();
      for (let count = 0; count < PIECES; count++) {
        const piece = String(count % 10).repeat(PIECE_BYTES);
        oracle.sent('text', piece);
        request.text(piece);
      }
      await client.until(() => client.text(id).length === PIECES * PIECE_BYTES);
      if (when === 'ends meanwhile') closed = app.close();
      request.done();
      await client.ended(id);
      expect(reader.terminal).toBeUndefined();
      closed ??= app.close();
      await sleep(300);
      // Fast enough for the time it has, too slow for what is sent last to go out at once.
      proxy.bytesPerMs = 60_000;
      proxy.resume();
      await closed;
      await client.until(() => proxy.openConnections.length === 0);
      expect(oracle.problems()).toEqual([]);
    },
  );

  it('is no longer there for one that resumes, which gives up on nothing it has', async () => {
    await boot({ DRAIN_MS: 100 });
    const oracle = new Oracle();
    const reader = oracle.reader();
    const client = new ResumingClient(app.socketUrl, reader, { prompt: 'x', idempotencyKey: 'k' });
    open.push(client);
    const request = await upstream.nextCall();
    oracle.sent('text', 'The sky');
    request.text('The sky');
    while (reader.last === 0) await sleep(5);
    closed = app.close();
    await closed;
    while (!client.isDone) await sleep(5);
    expect(oracle.problems()).toEqual([]);
    expect(reader.terminal).toMatchObject({ state: 'interrupted', bytes: 7 });
  });
});
