import { type ChildProcess, spawn } from 'node:child_process';
import dns from 'node:dns';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { jest } from '@jest/globals';
import axios, { type AxiosRequestConfig, type AxiosResponse, type CancelToken } from 'axios';
import { StopSignal } from '../stop-signal.js';
import { ConnectTimeout, upstreamAdapter } from './adapter.js';

type Answer = AxiosResponse<IncomingMessage>;
type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

describe('upstreamAdapter', () => {
  let server: Server;
  let url: string;
  let sockets: Socket[];
  let bodies: Buffer[];
  let handler: Handler;

  beforeEach(async () => {
    sockets = [];
    bodies = [];
    handler = (_request, response) => response.end('yes');
    server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const body = Buffer.concat(pieces);
        bodies.push(body);
        handler(request, response, body);
      });
    });
    server.on('connection', (socket: Socket) => sockets.push(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const send = (config: AxiosRequestConfig = {}): Promise<Answer> =>
    axios.request<unknown, Answer>({
      adapter: upstreamAdapter,
      method: 'post',
      url,
      data: Buffer.from('{}'),
      transformRequest: [],
      transformResponse: [],
      responseType: 'stream',
      timeout: 5_000,
      cancelToken: new StopSignal() as unknown as CancelToken,
      ...config,
    });
  const deafs: ChildProcess[] = [];
  const fillers: Socket[] = [];
  afterEach(() => {
    for (const filler of fillers.splice(0)) filler.destroy();
    for (const child of deafs.splice(0)) child.kill('SIGKILL');
  });
  /**
   * A server whose kernel takes no more connections, because it itself does not; after `ms` it does,
   * and answers. @returns its port
   */
  const deaf = async (host: string, port = 0, ms?: number): Promise<number> => {
    const child = spawn(process.execPath, [
      '--eval',
      `const server = require('node:http').createServer((_request, response) => response.end('late'));
       server.listen({ port: ${port}, host: '${host}', backlog: 1 }, () => {
         require('node:fs').writeSync(1, String(server.address().port));
         Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${ms});
       });`,
    ]);
    deafs.push(child);
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const at = Number(said.toString());
    for (let n = 0; n < 8; n++) fillers.push(net.connect(at, host).on('error', () => undefined));
    await sleep(200);
    return at;
  };
  const read = async ({ data }: Answer): Promise<Buffer> => Buffer.concat(await data.toArray());
  const text = async (config?: AxiosRequestConfig): Promise<string> =>
    (await read(await send(config))).toString();

  it('keeps a connection for the next request', async () => {
    expect([await text(), await text(), await text()]).toEqual(['yes', 'yes', 'yes']);
    expect(sockets).toHaveLength(1);
  });

  it.each([2, 5_000_000])(
    'sends the whole request once more where the upstream closes a kept connection: %d bytes',
    async (size) => {
      await text();
      handler = ({ socket }, response) => {
        if (sockets.indexOf(socket) === 0) socket.destroy();
        else response.end('again');
      };
      const data = Buffer.alloc(size, 'x');
      expect(await text({ data })).toBe('again');
      expect(sockets).toHaveLength(2);
      expect(bodies.slice(1).map((body) => body.equals(data))).toEqual([true, true]);
    },
  );

  it.each([2, 5_000_000])(
    'does so too where the close and the request cross on the way: %d bytes',
    async (size) => {
      await text();
      sockets[0]!.destroy();
      const data = Buffer.alloc(size, 'x');
      expect(await text({ data })).toBe('yes');
      expect(bodies.at(-1)?.equals(data)).toBe(true);
    },
  );

  it('keeps the connection of a chunked answer too, and every answer whole', async () => {
    const long = 'x'.repeat(200_000);
    handler = (_request, response) => {
      response.write('a little, ');
      setTimeout(() => response.end(long), 10);
    };
    for (let n = 0; n < 3; n++) expect(await text()).toBe(`a little, ${long}`);
    expect(sockets).toHaveLength(1);
  });

  it('gives chunks past the parser, on a kept connection too', async () => {
    handler = (_request, response) => {
      response.write('one');
      setTimeout(() => {
        response.write('two');
        setTimeout(() => response.end(), 20);
      }, 20);
    };
    for (let n = 0; n < 2; n++) {
      const answer = await send();
      const parsed: Buffer[] = [];
      answer.data.socket.on('data', (bytes: Buffer) => parsed.push(bytes));
      expect((await read(answer)).toString()).toBe('onetwo');
      expect(Buffer.concat(parsed).toString()).toBe('0\r\n\r\n');
    }
    expect(sockets).toHaveLength(1);
  });

  it('reads answers at once, of which some wait to be read', async () => {
    handler = (_request, response, body) => {
      const line = body.toString().repeat(100);
      let written = 0;
      // One timer at a time: on a busy machine a later one of 60 ms may fire before one of 6.
      const more = (): void => {
        if (written++ === 50) return void response.end();
        response.write(line);
        setTimeout(more, 1);
      };
      more();
    };
    const names = 'abcdefgh'.split('');
    const answers = await Promise.all(names.map((name) => send({ data: Buffer.from(name) })));
    await sleep(30);
    const bodies = await Promise.all(answers.map(read));
    expect(bodies.map(String)).toEqual(names.map((name) => name.repeat(5_000)));
  });

  it('stops reading an answer that nobody reads, and gives it whole to whoever does later', async () => {
    let sent = 0;
    const piece = Buffer.alloc(65_536, 'x');
    handler = (_request, response) => {
      const more = (): void => {
        if (sent++ < 500) response.write(piece, more);
        else response.end();
      };
      more();
    };
    const answer = await send();
    let before = -1;
    while (before !== sent) {
      before = sent;
      await sleep(200);
    }
    expect(sent).toBeLessThan(400);
    expect((await read(answer)).length).toBe(500 * piece.length);
  });

  describe('of a name with several addresses', () => {
    let name: string;
    let port: number;
    let lookup: jest.SpiedFunction<typeof dns.lookup>;
    afterEach(() => lookup?.mockRestore());
    beforeEach(() => {
      name = url.replace('127.0.0.1', 'upstream');
      port = Number(new URL(url).port);
    });
    const resolvesTo = (...addresses: string[]): void => {
      const found = addresses.map((address) => ({ address, family: net.isIP(address) }));
      type Found = (error: null, all: typeof found) => void;
      const answer = (_name: string, _options: object, done: Found): void => done(null, found);
      lookup?.mockRestore();
      lookup = jest.spyOn(dns, 'lookup').mockImplementation(answer as never);
    };

    it('takes the one where something listens', async () => {
      for (const others of [['::1'], ['127.0.0.2'], ['::1', '127.0.0.2', '127.0.0.3']]) {
        resolvesTo(...others, '127.0.0.1');
        expect(await text({ url: name })).toBe('yes');
        server.closeAllConnections();
        resolvesTo('127.0.0.1', ...others);
        expect(await text({ url: name })).toBe('yes');
        server.closeAllConnections();
      }
    });

    it('takes another where the first leads nowhere, long before the time to connect is over', async () => {
      await deaf('127.0.0.2', port);
      resolvesTo('127.0.0.2', '127.0.0.1');
      const from = performance.now();
      expect(await text({ url: name, timeout: 60_000 })).toBe('yes');
      expect(performance.now() - from).toBeLessThan(30_000);
    });

    it('waits for a slow one where the others refuse', async () => {
      // The kernel drops the first try, and repeats it after a second.
      await deaf('127.0.0.2', port, 700);
      for (const others of [['127.0.0.3'], ['::1', '127.0.0.3']]) {
        resolvesTo('127.0.0.2', ...others);
        expect(await text({ url: name })).toBe('late');
      }
    });

    it('gives all of them up after the time to connect, and where the request is aborted', async () => {
      await deaf('127.0.0.2', port);
      await deaf('127.0.0.3', port);
      resolvesTo('127.0.0.2', '127.0.0.3');
      await expect(send({ url: name, timeout: 400 })).rejects.toThrow(ConnectTimeout);
      const signal = new StopSignal();
      const cancelToken = signal as unknown as CancelToken;
      const sent = send({ url: name, timeout: 60_000, cancelToken });
      setTimeout(() => signal.stop(), 50);
      await expect(sent).rejects.toThrow();
    });

    it('says why none of them took it', async () => {
      resolvesTo('127.0.0.2', '127.0.0.3');
      await expect(send({ url: name })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      lookup.mockImplementation(((_name: string, _options: object, done: (error: Error) => void) =>
        done(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }))) as never);
      await expect(send({ url: name })).rejects.toMatchObject({ code: 'ENOTFOUND' });
    });
  });

  it('does not send a request again on a connection that was new', async () => {
    handler = ({ socket }) => socket.destroy();
    await expect(send()).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(bodies).toHaveLength(1);
  });

  it('rejects with why no connection came', async () => {
    const free = net.createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, 'close');
    await expect(send({ url: `http://127.0.0.1:${port}` })).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
  });

  it.each([200, 204, 301, 307, 308, 404, 503])(
    'resolves with status %d, and follows nothing',
    async (status) => {
      handler = (_request, response) => response.writeHead(status, { location: '/other' }).end();
      const answer = await send();
      expect(answer).toMatchObject({ status, headers: { location: '/other' } });
      await read(answer);
      expect(bodies).toHaveLength(1);
    },
  );

  it('gives the body as it came, also where it is compressed', async () => {
    const zipped = gzipSync('x'.repeat(1000));
    handler = (_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(zipped);
    expect(await read(await send())).toEqual(zipped);
  });

  it('keeps nothing of the request while its answer is read: a prompt may be large', async () => {
    handler = (_request, response) => response.write('some');
    const begin = async (): Promise<{ body: IncomingMessage; sent: WeakRef<Buffer> }> => {
      const data = Buffer.alloc(100_000, '[');
      const sent = new WeakRef(data);
      const { data: body } = await send({ data });
      return { body, sent };
    };
    const { body, sent } = await begin();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let turns = 0; turns < 5 && sent.deref() !== undefined; turns++) {
      await sleep(20);
      collect();
    }
    expect(sent.deref()).toBeUndefined();
    expect(body.destroyed).toBe(false);
    body.destroy();
  });

  it('uses no proxy of the environment', async () => {
    process.env['http_proxy'] = 'http://127.0.0.1:1';
    try {
      expect(await text()).toBe('yes');
    } finally {
      delete process.env['http_proxy'];
    }
  });

  describe('an abort', () => {
    let signal: StopSignal;
    let cancelToken: CancelToken;
    beforeEach(() => {
      signal = new StopSignal();
      cancelToken = signal as unknown as CancelToken;
    });

    it('before the request: nothing is sent', async () => {
      signal.stop();
      await expect(send({ cancelToken })).rejects.toThrow();
      await sleep(50);
      expect(sockets).toHaveLength(0);
    });

    it('while it connects: no request arrives', async () => {
      const sent = send({ cancelToken });
      signal.stop();
      await expect(sent).rejects.toThrow();
      await sleep(50);
      expect(bodies).toHaveLength(0);
    });

    it.each(['new', 'kept'])(
      'while it waits on a %s connection: it is over, and not sent again',
      async (kind) => {
        if (kind === 'kept') await text();
        const waiting = new Promise<Socket>((resolve) => {
          handler = ({ socket }) => resolve(socket);
        });
        const sent = send({ cancelToken });
        const socket = await waiting;
        const closed = once(socket, 'close');
        signal.stop();
        await expect(sent).rejects.toThrow();
        await closed;
        await sleep(50);
        expect(bodies).toHaveLength(kind === 'kept' ? 2 : 1);
      },
    );

    it('in the body: the body closes, and its connection with it', async () => {
      handler = (_request, response) => void response.write('half');
      const { data } = await send({ cancelToken });
      await once(data, 'data');
      const closed = [data, sockets[0]!].map(
        (stream) => new Promise((resolve) => stream.once('close', resolve)),
      );
      signal.stop();
      await Promise.all(closed);
      handler = (_request, response) => response.end('next');
      expect(await text()).toBe('next');
      expect(sockets).toHaveLength(2);
    });

    it('of what is over does nothing: its connection may be another request’s', async () => {
      for (let n = 0; n < 5; n++) await text({ cancelToken });
      await sleep(20);
      handler = (_request, response) => {
        signal.stop();
        response.end('whole');
      };
      expect(await text()).toBe('whole');
      expect(sockets).toHaveLength(1);
    });
  });

  describe('the time to connect', () => {
    it('is limited: an upstream that accepts no connection', async () => {
      const port = await deaf('127.0.0.1');
      await expect(send({ url: `http://127.0.0.1:${port}`, timeout: 300 })).rejects.toThrow(
        ConnectTimeout,
      );
    });

    it('is not the time to answer, on a new connection or a kept one', async () => {
      jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'performance', 'Date'] });
      try {
        handler = (_request, response) => {
          jest.advanceTimersByTime(60_000);
          response.end('late');
        };
        expect(await text({ timeout: 100 })).toBe('late');
        expect(await text({ timeout: 100 })).toBe('late');
        expect(sockets).toHaveLength(1);
      } finally {
        jest.useRealTimers();
      }
    });
  });
});
