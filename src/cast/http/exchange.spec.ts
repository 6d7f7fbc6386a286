import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { HttpService } from '@nestjs/axios';
import { create } from 'axios';
import { CastError } from '../../protocol/errors.js';
import type { Decoder } from '../decoding/decoder.js';
import { upstreamAdapter } from './adapter.js';
import { Exchange, exchange } from './exchange.js';
import type { UpstreamCall } from './upstream-call.js';

/** What says nothing, and what is told later. */
const EMPTY = '-';
const HELD = '(';

/** Tells each byte read as a letter; `.` is the final record, `!` a fault, `~` makes it whole. */
class Letters implements Decoder<string> {
  done = false;
  isWhole = false;
  hasBegun = false;

  push(bytes: Buffer, into: string[]): void {
    for (const letter of bytes.toString()) {
      if (letter === '!') throw new CastError('upstream_protocol_error');
      if (letter === '~') this.isWhole = true;
      else if (letter === '.') this.done = true;
      else if (letter === HELD) this.hasBegun = true;
      else if (letter !== EMPTY) into.push(letter);
    }
  }

  end(into: string[]): void {
    if (!this.isWhole) throw new CastError('upstream_truncated');
    into.push('end');
    this.done = true;
  }
}

const call = (more: Partial<UpstreamCall<string>> = {}): UpstreamCall<string> => ({
  method: 'post',
  url: 'http://127.0.0.1:1/',
  decoder: new Letters(),
  accept: ['text/plain'],
  refused: (status, body) => new CastError('upstream_rejected', { message: `${status} ${body}` }),
  connectTimeoutMs: 5_000,
  firstByteTimeoutMs: 5_000,
  idleTimeoutMs: 5_000,
  ...more,
});

/** What the subscriber was told, in order. */
class Told {
  readonly events: unknown[] = [];
  readonly over: Promise<void>;
  private resolve!: () => void;

  constructor() {
    this.over = new Promise((resolve) => (this.resolve = resolve));
  }
  next(parts: string[]): void {
    this.events.push(parts.join(''));
  }
  error(error: unknown): void {
    this.events.push(error instanceof CastError ? error.code : error);
    this.resolve();
  }
  complete(): void {
    this.events.push('complete');
    this.resolve();
  }
}

/** A body that the test writes by hand, with the headers of an answer. */
function answer(headers: IncomingMessage['headers'] = {}): PassThrough & IncomingMessage {
  const body = new PassThrough();
  body.on('error', () => undefined);
  return Object.assign(body, { headers }) as unknown as PassThrough & IncomingMessage;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('Exchange', () => {
  let told: Told;
  let running: Exchange<string>;
  const begin = (more?: Partial<UpstreamCall<string>>): Exchange<string> =>
    (running = new Exchange(call(more), (told = new Told())));
  afterEach(() => running.leave());

  describe('receive', () => {
    it.each<[string, IncomingMessage['headers']]>([
      ['an accepted type', { 'content-type': 'Text/Plain; charset=utf-8' }],
      ['no type', {}],
      ['the identity encoding', { 'content-encoding': 'identity' }],
    ])('reads a body of %s', async (_name, headers) => {
      const body = answer(headers);
      begin().receive(200, body);
      body.end('a.');
      await told.over;
      expect(told.events).toEqual(['a', 'complete']);
    });

    it.each<[string, IncomingMessage['headers']]>([
      ['another type', { 'content-type': 'text/html' }],
      ['a compressed encoding', { 'content-type': 'text/plain', 'content-encoding': 'gzip' }],
    ])('reads no body of %s, and fails once it is over', async (_name, headers) => {
      const body = answer(headers);
      begin().receive(200, body);
      body.write('a');
      await turn();
      expect(told.events).toEqual([]);
      body.destroy();
      await told.over;
      expect(told.events).toEqual(['bad_content_type']);
    });

    it.each([199, 300, 302, 404, 500])('takes status %d for a refusal', async (status) => {
      const body = answer();
      begin().receive(status, body);
      body.end('no');
      await told.over;
      expect(told.events).toEqual(['upstream_rejected']);
    });
  });

  describe('readRefusal', () => {
    let said: string | undefined;
    const refused = (status: number, body: string): CastError => {
      said = `${status} ${body}`;
      return new CastError('upstream_rejected');
    };

    it('names the refusal by its status and its text', async () => {
      const body = answer();
      begin({ refused }).readRefusal(418, body);
      body.write('short and ');
      body.end('stout');
      await told.over;
      expect(said).toBe('418 short and stout');
    });

    it('reads a character that is cut in two', async () => {
      const body = answer();
      begin({ refused }).readRefusal(400, body);
      body.write(Buffer.from([0xc3]));
      await turn();
      body.end(Buffer.from([0xa9]));
      await told.over;
      expect(said).toBe('400 é');
    });

    it('takes what came where the connection drops', async () => {
      const body = answer();
      begin({ refused }).readRefusal(500, body);
      body.write('half');
      await turn();
      body.destroy();
      await told.over;
      expect(said).toBe('500 half');
    });
  });

  describe('readBody', () => {
    it('emits what each read brought at once', async () => {
      const body = answer();
      begin().readBody(body);
      body.write('abc');
      await turn();
      body.write('d');
      await turn();
      expect(told.events).toEqual(['abc', 'd']);
    });

    it('emits nothing for a read that says nothing', async () => {
      const body = answer();
      begin().readBody(body);
      body.write('~');
      await turn();
      expect(told.events).toEqual([]);
    });

    it('emits what came before a fault, and fails when the request is over', async () => {
      const body = answer();
      begin().readBody(body);
      body.write('ab!c');
      await turn();
      expect(told.events).toEqual(['ab']);
      body.write('d');
      body.destroy();
      await told.over;
      expect(told.events).toEqual(['ab', 'upstream_protocol_error']);
    });

    it('ignores what follows the final record', async () => {
      const body = answer();
      begin().readBody(body);
      body.write('a.');
      await turn();
      body.write('b!');
      body.end();
      await told.over;
      expect(told.events).toEqual(['a', 'complete']);
    });
  });

  describe('the end', () => {
    it.each<[string, string, 'end' | 'destroy', unknown[]]>([
      ['a clean end without the final record', 'a', 'end', ['a', 'upstream_truncated']],
      ['a dropped connection without it', 'a', 'destroy', ['a', 'upstream_truncated']],
      ['a dropped connection behind it', 'a.', 'destroy', ['a', 'complete']],
      ['a clean end of a whole answer', 'a~', 'end', ['a', 'end', 'complete']],
      ['a dropped connection of a whole answer', 'a~', 'destroy', ['a', 'end', 'complete']],
    ])('%s', async (_name, bytes, how, expected) => {
      const body = answer();
      begin().readBody(body);
      body.write(bytes);
      await turn();
      body[how]();
      await told.over;
      expect(told.events).toEqual(expected);
    });

    it('comes once', async () => {
      const body = answer();
      begin().readBody(body);
      body.end('a.');
      await told.over;
      await turn();
      expect(told.events).toEqual(['a', 'complete']);
    });
  });
});

describe('exchange, over the network', () => {
  const http = new HttpService(
    create({ adapter: upstreamAdapter, transformRequest: [], transformResponse: [] }),
  );
  let server: Server;
  let handler: (request: IncomingMessage, response: ServerResponse) => void;
  let url: string;
  let requests: IncomingMessage[];
  let closed: Promise<void>;

  beforeEach(async () => {
    requests = [];
    handler = (_request, response) => response.end('a.');
    server = createServer((request, response) => {
      requests.push(request);
      closed = new Promise((resolve) => response.once('close', resolve));
      handler(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  /** @param begun gets the exchange once it is sent */
  const ask = async (
    more: Partial<UpstreamCall<string>> = {},
    begun: (exchange: Exchange<string>) => void = () => undefined,
  ): Promise<unknown[]> => {
    const told = new Told();
    const asked = new Exchange(call({ url, ...more }), told);
    asked.send(http);
    begun(asked);
    await told.over;
    return told.events;
  };

  it('asks for what it can read, uncompressed, with the headers of the call', async () => {
    await ask({ method: 'get', accept: ['a/b', 'c/d'], headers: { 'X-More': 'yes' } });
    expect(requests[0]?.headers).toMatchObject({
      accept: 'a/b, c/d',
      'accept-encoding': 'identity',
      'user-agent': 'llm-cast',
      'x-more': 'yes',
    });
    expect(requests[0]?.headers).not.toHaveProperty('content-type');
  });

  it('sends nothing before it is subscribed to', async () => {
    exchange(http, call({ url }));
    await ask();
    expect(requests).toHaveLength(1);
  });

  it('fails when nobody listens, with what the network said as the cause', async () => {
    const told = new Told();
    let failure: unknown;
    exchange(http, call({ url: 'http://127.0.0.1:1/' })).subscribe({
      error: (error: unknown) => {
        failure = error;
        told.error(error);
      },
    });
    await told.over;
    expect(told.events).toEqual(['upstream_unreachable']);
    expect(failure).toMatchObject({ cause: { code: 'ECONNREFUSED' } });
  });

  it('bounds the time to the first byte, headers or not', async () => {
    handler = () => undefined;
    expect(await ask({ firstByteTimeoutMs: 30 })).toEqual(['first_byte_timeout']);
    handler = (_request, response) => response.flushHeaders();
    expect(await ask({ firstByteTimeoutMs: 30 })).toEqual(['first_byte_timeout']);
  });

  it('bounds a silence inside the answer', async () => {
    handler = (_request, response) => response.write('a');
    expect(await ask({ idleTimeoutMs: 30 })).toEqual(['a', 'idle_timeout']);
    await closed;
  });

  it('lets an upstream that has said nothing yet take the time to begin', async () => {
    // LocalAI sends the head of its answer, and then loads the model; others send a ping.
    handler = (_request, response) => {
      response.write(EMPTY);
      setTimeout(() => response.end('a.'), 200);
    };
    expect(await ask({ idleTimeoutMs: 30 })).toEqual(['a', 'complete']);
    handler = (_request, response) => response.write(EMPTY);
    expect(await ask({ idleTimeoutMs: 30, firstByteTimeoutMs: 100 })).toEqual(['idle_timeout']);
    handler = (_request, response) => response.write(HELD);
    expect(await ask({ idleTimeoutMs: 30 })).toEqual(['idle_timeout']);
    await closed;
  });

  it('ends well when the upstream keeps an answer open behind its final record', async () => {
    handler = (_request, response) => response.write('a.');
    expect(await ask()).toEqual(['a', 'complete']);
    await closed;
  });

  it('ends well when a whole answer is left without its final record', async () => {
    handler = (_request, response) => response.write('a~');
    expect(await ask({ idleTimeoutMs: 30 })).toEqual(['a', 'end', 'complete']);
    await closed;
  });

  it('keeps no more of a refusal than it may', async () => {
    let size = 0;
    handler = (_request, response) => {
      response.writeHead(500);
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
      };
      response.on('drain', more);
      more();
    };
    const refused = (_status: number, body: string): CastError => {
      size = body.length;
      return new CastError('upstream_error');
    };
    expect(await ask({ refused })).toEqual(['upstream_error']);
    expect(size).toBeGreaterThan(65_536);
    expect(size).toBeLessThan(65_536 * 3);
    await closed;
  });

  it('fails with the reason of a stop once its socket is gone', async () => {
    let asked: Exchange<string> | undefined;
    handler = (_request, response) => {
      response.write('a');
      setImmediate(() => asked?.stop('enough'));
    };
    expect((await ask({}, (exchange) => (asked = exchange))).at(-1)).toBe('enough');
    await closed;
  });

  it('sends nothing, or closes it, where it is stopped at once', async () => {
    handler = () => undefined;
    expect(await ask({}, (exchange) => exchange.stop('before'))).toEqual(['before']);
  });

  it('destroys the socket when the subscriber leaves', async () => {
    handler = (_request, response) => response.write('a');
    await new Promise<void>((resolve) => {
      const subscription = exchange(http, call({ url })).subscribe(() => {
        subscription.unsubscribe();
        resolve();
      });
    });
    await closed;
  });
});
