import { createHash } from 'node:crypto';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { until } from '../../test/support/until.js';
import {
  type Cast,
  type CastStream,
  type ClientToServerEvents,
  connect,
  type ServerToClientEvents,
  type StreamRecord,
} from '../src/index.js';

const generationId = 'k3JvX0d1Qm6c7Tq2Zr9s_A';
const TEXT = 'The sky is blué';
const missing = { code: 'generation_not_found' as const, message: 'gone', retryable: false };

const chunk = (seq: number, response: string, more: object = {}): StreamRecord =>
  Object.assign(
    { generationId, seq, model: 'm', created_at: '', response, done: false } as const,
    more,
  );
const end = (seq: number, text = TEXT): StreamRecord => ({
  generationId,
  seq,
  message: 'Streaming cancelled',
  state: 'cancelled',
  reason: 'admin',
  upstreamClosedMs: 0,
  bytes: Buffer.byteLength(text),
  sha256: createHash('sha256').update(text).digest('hex'),
});
const WHOLE = [chunk(3, TEXT, { from: 1 }), end(4)];

// The real server never sends what is wrong, so this one does.
describe('what arrived wrong', () => {
  let http: HttpServer;
  let server: Server<ClientToServerEvents, ServerToClientEvents>;
  let cast: Cast;
  /** What is sent after the start, and after each join. */
  let sent: StreamRecord[][];
  let joins: number[];
  let isKept: boolean;
  /** What happens before a join is answered. */
  let beforeJoin: () => Promise<void>;
  let leaves: number;

  beforeAll(async () => {
    http = createServer();
    server = new Server(http);
    server.of('/events').on('connection', (socket) => {
      const send = (): void => sent.shift()?.forEach((record) => socket.emit('streamData', record));
      socket.on('generate', (_request, ack) => {
        ack({ ok: true, generationId, state: 'streaming' });
        send();
      });
      socket.on('leave', () => void leaves++);
      socket.on('join', async ({ after }, ack) => {
        joins.push(after);
        await beforeJoin();
        ack(isKept ? { ok: true, state: 'streaming', seq: 4 } : { ok: false, error: missing });
        send();
      });
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  });
  beforeEach(() => {
    joins = [];
    isKept = true;
    leaves = 0;
    beforeJoin = () => Promise.resolve();
    cast = connect(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  });
  afterEach(() => cast.close());
  afterAll(() => server?.close());

  const ask = (...records: StreamRecord[][]): CastStream => {
    sent = records;
    return cast.generate({ prompt: 'why?' });
  };
  const collect = async (stream: CastStream): Promise<string> => {
    let text = '';
    for await (const part of stream) text += part;
    return text;
  };

  it('is read anew, once, where only the SHA-256 can tell', async () => {
    const stream = ask([chunk(1, 'The sky is blu?!'), end(2)], [chunk(1, TEXT), end(2)]);
    // A reader that has used a wrong piece is told.
    await expect(collect(stream)).rejects.toMatchObject({ code: 'text_damaged' });
    expect(await stream.result).toMatchObject({ state: 'cancelled', verified: true });
    expect(stream.text).toBe(TEXT);
    expect(stream.view.error).toBeUndefined();
    expect(await collect(stream)).toBe(TEXT);
    expect(joins).toEqual([0]);
  });

  it('is made up for where only the end was missing', async () => {
    const stream = ask([chunk(1, 'The sky'), end(2)], WHOLE);
    expect(await collect(stream)).toBe(TEXT);
    expect(await stream.result).toMatchObject({ verified: true });
    expect(joins).toEqual([0]);
  });

  it('is said to be wrong where it stays so', async () => {
    const wrong = [chunk(1, 'The sky'), end(2)];
    const stream = ask(wrong, wrong, WHOLE);
    await expect(collect(stream)).rejects.toMatchObject({ code: 'text_damaged' });
    expect(await stream.result).toMatchObject({ verified: false });
    expect(joins).toEqual([0]);
  });

  it('is said to be wrong where nobody has it any more', async () => {
    isKept = false;
    const stream = ask([chunk(1, 'The sky'), end(2)]);
    expect(await stream.result).toMatchObject({ verified: false });
    expect(stream.text).toBe('The sky');
    expect(stream.view.error?.code).toBe('text_damaged');
  });

  it('is dropped where it is there already, and asked for where it is missing', async () => {
    const [one, two, three] = [chunk(1, 'The'), chunk(2, ' sky'), chunk(3, ' is blué')];
    const seqs: number[] = [];
    sent = [
      [one, two, one, two, chunk(2, 'The sky', { from: 1 }), end(4)],
      [chunk(3, ' sky is blué', { from: 2 })],
      [three, three, end(4), end(4)],
    ];
    const stream = cast.generate({ prompt: '' }, { onRecord: ({ seq }) => void seqs.push(seq) });
    expect(await collect(stream)).toBe(TEXT);
    expect(await stream.result).toMatchObject({ verified: true });
    expect(seqs).toEqual([1, 2, 3, 4]);
    expect(joins).toEqual([2, 2]);
  });

  it('is repaired where the text that was kept does not fit', async () => {
    sent = [[end(4)], WHOLE];
    const stream = cast.join(generationId, { known: { seq: 3, text: 'The sky is gr' } });
    expect(await stream.result).toMatchObject({ verified: true });
    expect(stream.text).toBe(TEXT);
    expect(joins).toEqual([3, 0]);
  });

  it('does not matter where it is new to this client', async () => {
    const news = {
      generationId,
      seq: 2,
      done: false,
      fragrance: 'rose',
    } as unknown as StreamRecord;
    const stream = ask([chunk(1, TEXT, { colour: 'blue' }), news, end(3)]);
    expect(await stream.result).toMatchObject({ verified: true });
    expect(stream.text).toBe(TEXT);
  });

  it('is not asked for where it was left while the server was slow to begin', async () => {
    sent = [];
    let begin = (): void => undefined;
    beforeJoin = () => new Promise((resolve) => (begin = resolve));
    const stream = cast.join(generationId);
    await until(() => joins.length === 1);
    stream.leave();
    await until(() => leaves === 1);
    // From here on it sends: it had heard of the leave before.
    begin();
    await until(() => leaves === 2);
    await expect(stream.result).rejects.toMatchObject({ code: 'closed' });
  });

  it('comes again after the server has hung up', async () => {
    const stream = ask([chunk(1, 'The sky')], [chunk(3, ' is blué', { from: 2 }), end(4)]);
    const changed = new Promise<void>((resolve) => {
      stream.subscribe(() => stream.text !== '' && resolve());
    });
    await changed;
    server.of('/events').disconnectSockets();
    expect(await stream.result).toMatchObject({ verified: true });
    expect(stream.text).toBe(TEXT);
    expect(joins).toEqual([1]);
  });

  describe('without crypto.subtle, as on a plain HTTP page', () => {
    beforeAll(() => {
      Object.defineProperty(crypto, 'subtle', { value: undefined, configurable: true });
    });
    afterAll(() => void Reflect.deleteProperty(crypto, 'subtle'));

    it('is found by the number of bytes', async () => {
      const stream = ask([chunk(1, 'The sky is blue'), end(2)], WHOLE);
      expect(await stream.result).toMatchObject({ verified: true });
      expect(stream.text).toBe(TEXT);
      expect(joins).toEqual([0]);
    });

    it('is believed where they are right', async () => {
      const stream = ask([chunk(1, 'The sky is grèy'), end(2)]);
      expect(await stream.result).toMatchObject({ verified: true });
      expect(joins).toEqual([]);
    });
  });
});
