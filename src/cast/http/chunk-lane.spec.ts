import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { cut } from '../../../test/support/cut.js';
import { ChunkLane } from './chunk-lane.js';

/** What a client of node:http hears of the bytes of one connection. */
interface Heard {
  status: number | undefined;
  body: string;
  trailers: unknown;
  isComplete: boolean | undefined;
  error: boolean;
}

/** A request of node:http on a connection whose bytes the test gives, through a lane or without. */
class Client {
  readonly request: ClientRequest;
  answer: IncomingMessage | undefined;
  private readonly socket = new Duplex({
    // How much of an answer waits; Node's default is not the same in all its versions.
    readableHighWaterMark: 16_384,
    read: () => undefined,
    write: (_bytes, _encoding, done) => done(),
  }) as Socket;
  private readonly lane: ChunkLane | undefined;
  private readonly body: Buffer[] = [];
  private readonly closed: Promise<unknown>;
  private failed = false;
  private isReading = false;

  constructor(kind: 'with a lane' | 'node alone') {
    if (kind === 'with a lane') this.lane = new ChunkLane(this.socket);
    this.request = request('http://upstream', { createConnection: () => this.socket });
    this.request.on('error', () => (this.failed = true));
    this.closed = new Promise((resolve) => this.request.once('close', resolve));
    this.request.once('response', (answer) => {
      this.answer = answer;
      answer.on('error', () => (this.failed = true));
      this.lane?.expectBody(answer);
      if (this.isReading) this.readBody();
    });
    this.request.end();
  }

  /** Until then the body waits. */
  readBody(): void {
    this.isReading = true;
    this.answer?.on('data', (bytes: Buffer) => this.body.push(Buffer.from(bytes)));
  }

  /** Reads from a buffer that is overwritten afterwards. */
  read(bytes: Buffer): void {
    const read = Buffer.from(bytes);
    if (this.socket.destroyed) return;
    if (this.lane === undefined) this.socket.emit('data', read);
    else this.lane.read(read);
    read.fill('?');
  }

  get isPaused(): boolean {
    return this.socket.isPaused();
  }

  /** The connection ends; everything that was heard. */
  async end(): Promise<Heard> {
    await turn();
    this.socket.push(null);
    await this.closed;
    await turn();
    const { answer } = this;
    return {
      status: answer?.statusCode,
      body: Buffer.concat(this.body).toString('latin1'),
      trailers: answer?.trailers,
      isComplete: answer?.complete,
      error: this.failed,
    };
  }
}

/** @param readAt the place before which nobody reads the body: one where the pieces are cut */
async function hear(
  kind: 'with a lane' | 'node alone',
  pieces: Buffer[],
  readAt: number,
): Promise<Heard> {
  const client = new Client(kind);
  let at = 0;
  for (const piece of pieces) {
    await turn();
    if (at === readAt && piece.length > 0) client.readBody();
    client.read(piece);
    at += piece.length;
  }
  if (at === readAt) client.readBody();
  return client.end();
}

/**
 * Behind each head the lane cuts, and node:http takes what comes at once with it for a fault. What
 * follows the last head, the first that is none of an informational answer, is only text.
 */
function cutAtHeads(bytes: Buffer, at: readonly number[]): Buffer[] {
  const text = bytes.toString('latin1');
  const ends: number[] = [];
  for (let begin = 0, isLast = false; !isLast; begin = ends.at(-1)!) {
    const end = text.indexOf('\r\n\r\n', begin);
    if (end < 0) break;
    ends.push(end + 4);
    isLast = !/^HTTP\/1\.1 1\d\d /.test(text.slice(begin));
  }
  return cut(bytes, [...at, ...ends]);
}

/** Both clients hear the same. */
async function compare(bytes: Buffer, cuts: number[], read: number): Promise<void> {
  const readAt = read % (bytes.length + 1);
  const all = [...cuts, readAt];
  const heard = await hear('with a lane', cut(bytes, all), readAt);
  expect(heard).toEqual(await hear('node alone', cutAtHeads(bytes, all), readAt));
}

const HEAD = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const wire = (text: string): Buffer => Buffer.from(text, 'latin1');

const head = fc.constantFrom(
  HEAD,
  HEAD,
  `HTTP/1.1 100 Continue\r\n\r\n${HEAD}`,
  `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${HEAD}`,
  'HTTP/1.1 200 OK\r\ntransfer-encoding:  Chunked\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n',
  'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
  'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\n',
);
const chunk = fc
  .tuple(
    fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 40 }),
    fc.constantFrom('', '', '', '0', '00', '0000000000'),
    fc.constantFrom('', '', '', ';name=value', ' ', ';'),
    fc.boolean(),
  )
  .map(([text, zeros, extension, isUpper]) => {
    const size = text.length.toString(16);
    return `${zeros}${isUpper ? size.toUpperCase() : size}${extension}\r\n${text}\r\n`;
  });
const last = fc.constantFrom(
  '0\r\n\r\n',
  '000\r\n\r\n',
  '0\r\nTrailer: x\r\n\r\n',
  '0;x\r\n\r\n',
  '',
);
const response = fc
  .tuple(head, fc.array(chunk), last)
  .map(([start, chunks, end]) => wire(start + chunks.join('') + end));

/** Half of the answers are read from their beginning. */
const readFrom = fc.oneof(fc.constant(0), fc.nat());

describe('ChunkLane', () => {
  it('tells what node:http alone tells, of any answer, cut anywhere', async () => {
    await fc.assert(fc.asyncProperty(response, fc.array(fc.nat()), readFrom, compare), {
      numRuns: 300,
    });
  });

  it('does so where a byte of it is wrong or missing', async () => {
    const byte = fc.constantFrom(...wire('\r\n0159afAFgxX; -\0'));
    const other = fc.array(byte, { maxLength: 1 });
    const wrong = fc.tuple(response, fc.nat(), other).map(([right, place, instead]) => {
      const where = place % right.length;
      const parts = [right.subarray(0, where), Buffer.from(instead), right.subarray(where + 1)];
      return Buffer.concat(parts);
    });
    await fc.assert(fc.asyncProperty(wrong, fc.array(fc.nat()), readFrom, compare), {
      numRuns: 1000,
    });
  });

  it('tells the plain chunks of a read past the parser, all at once', async () => {
    const client = new Client('with a lane');
    await turn();
    const parsed: string[] = [];
    client.read(wire(HEAD));
    client.request.socket?.on('data', (bytes: Buffer) => parsed.push(bytes.toString('latin1')));
    const told: string[] = [];
    client.answer?.on('data', (bytes: Buffer) => told.push(bytes.toString('latin1')));
    for (const piece of ['2\r\nab\r\n3\r\ncde\r\n', '5\r\nfg', 'hij\r', '\n0\r\n\r\n']) {
      client.read(wire(piece));
    }
    expect(told).toEqual(['abcde', 'fg', 'hij']);
    expect(parsed.join('')).toBe('0\r\n\r\n');
    expect(await client.end()).toMatchObject({ isComplete: true, error: false });
  });

  it('keeps what nobody reads yet, in order, and has the connection wait', async () => {
    const client = new Client('with a lane');
    await turn();
    const text = Array.from({ length: 40 }, (_, n) => `${n};`.padEnd(1024, '.'));
    client.read(wire(HEAD));
    for (const [at, piece] of text.entries()) {
      client.read(wire(`400\r\n${piece}\r\n`));
      if (at === 0) expect(client.isPaused).toBe(false);
    }
    expect(client.isPaused).toBe(true);
    const told: Buffer[] = [];
    client.answer?.on('data', (bytes: Buffer) => told.push(Buffer.from(bytes)));
    // Nothing was told yet.
    client.read(wire('3\r\nend\r\n0\r\n\r\n'));
    await once(client.answer!, 'end');
    expect(Buffer.concat(told).toString()).toBe(`${text.join('')}end`);
    expect(client.isPaused).toBe(false);
  });
});
