import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import { settings } from '../../src/config/settings.js';
import type { StreamRecord } from '../../src/protocol/records.js';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { Client, textOf } from '../support/client.js';
import { ALL } from '../support/doctor-cases.js';
import { findings } from '../support/doctor-run.js';
import { describeIf } from '../support/needs.js';
import { NGINX, Nginx } from '../support/nginx.js';
import { call } from '../support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from '../support/scripted-upstream.js';
import { until } from '../support/until.js';

/** The public name in `deploy/nginx.conf`, and the page that is served there. */
const NAME = 'llm.example.com';
const FROM_PAGE = { host: NAME, origin: `https://${NAME}` };

/** When Node closes an idle connection, unless it is told otherwise: after 5 s and a second of its own. */
const NODE_KEEP_ALIVE_MS = 6_000;

/** Longer than any of nginx's own limits, where there is time for it. */
const isPatient = ['CI', 'NGINX_SLOW'].some((name) => process.env[name] !== undefined);
const SILENCE_MS = isPatient ? 65_000 : 3_000;

describeIf(...NGINX)('behind nginx, with deploy/nginx.conf', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let nginx: Nginx;
  const clients: Client[] = [];

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      MAX_CONCURRENT: 3,
      CORS_ORIGINS: FROM_PAGE.origin,
      TRUST_PROXY: 'loopback',
    });
    nginx = await Nginx.start(app);
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  afterAll(async () => {
    await nginx?.close();
    await app?.close();
    await upstream?.close();
  });

  /** Starts a generation through nginx and reads it there, as a page under the public name does. */
  const open = async (transport: string): Promise<Reading> => {
    const client =
      transport === 'SSE'
        ? undefined
        : await Client.connect(nginx.url, { transports: [transport], extraHeaders: FROM_PAGE });
    if (client !== undefined) clients.push(client);
    const target = client === undefined ? { onDisconnect: 'keep' } : { clientId: client.id };
    const { status, body } = await call(
      'POST',
      `${nginx.url}/llm/generate`,
      { ...target, prompt: 'why is the sky blue?' },
      FROM_PAGE,
    );
    expect(status).toBe(201);
    const request = await upstream.nextCall();
    if (client === undefined) {
      return new Reading(request, readEvents(`${nginx.url}/llm/generations/${body.generationId}`));
    }
    return new Reading(request, client.records, client);
  };

  describe.each(['websocket', 'polling', 'SSE'])('%s', (transport) => {
    it('gets each token while the upstream is still producing', async () => {
      const reading = await open(transport);
      for (const piece of ['The', ' sky', ' is', ' blue']) await reading.next(piece);
      expect(await reading.end()).toBe('The sky is blue');
    });
  });

  /** What requests are answered with that come when llm-cast is about to close idle connections. */
  const atTheClose = async (): Promise<number[]> => {
    // nginx tries a GET again by itself, but no POST: this one is refused.
    const post = async (): Promise<number> =>
      (await call('POST', `${nginx.url}/llm/generate`, {}, FROM_PAGE)).status;
    const statuses: number[] = [];
    for (let round = 0; round < 4; round++) {
      // Connections that have been idle for about as long as Node keeps them, a little more or less.
      const asked = Array.from({ length: 64 }, async (_, at) => {
        await sleep(at / 2);
        return post();
      });
      statuses.push(...(await Promise.all(asked)));
      await sleep(NODE_KEEP_ALIVE_MS - 30);
    }
    return statuses;
  };

  it(`all of them survive ${SILENCE_MS / 1000} s of silence of the upstream, and meanwhile no request meets a connection that llm-cast is just closing`, async () => {
    // One after the other, because the upstream hands out its requests in the order of arrival.
    const readings = [await open('websocket'), await open('polling'), await open('SSE')];
    for (const reading of readings) await reading.next('The sky');
    const [statuses] = await Promise.all([atTheClose(), sleep(SILENCE_MS)]);
    expect(statuses).toEqual(Array.from({ length: 256 }, () => 400));
    for (const reading of readings) {
      await reading.next(' is blue');
      expect(await reading.end()).toBe('The sky is blue');
      expect(reading.disconnects).toEqual([]);
    }
  });

  it('nginx closes idle connections before llm-cast does', async () => {
    const shipped = await readFile(join(import.meta.dirname, '../../deploy/nginx.conf'), 'utf8');
    const kept = [...shipped.matchAll(/keepalive_timeout (\d+)s;/g)].map(([, seconds]) => seconds);
    expect(kept.length).toBe([...shipped.matchAll(/^\s*upstream /gm)].length);
    for (const seconds of kept) {
      expect(Number(seconds) * 1_000).toBeLessThan(settings.parse({}).KEEP_ALIVE_TIMEOUT_MS);
    }
  });

  it('leaves it to llm-cast to refuse what is too large', async () => {
    const prompt = 'x'.repeat(2_000_000);
    const answer = await call(
      'POST',
      `${nginx.url}/llm/generate`,
      { onDisconnect: 'keep', prompt },
      FROM_PAGE,
    );
    expect(answer).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
  });

  it('may open as many files as its connections need', () => {
    // nginx itself warns where they would not fit.
    expect(nginx.said).toBe('');
  });

  it('names each request for both logs', async () => {
    const { headers } = await call('GET', `${nginx.url}/llm/queue`, undefined, FROM_PAGE);
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
  });

  it('is tried on another port in these tests, where another program has just taken its own', async () => {
    const urls: string[] = [];
    const other = createServer((_request, response) => void response.end());
    const { nginx: front } = await Nginx.startWith(async (url) => {
      urls.push(url);
      if (urls.length === 1)
        await once(other.listen(Number(new URL(url).port), '127.0.0.1'), 'listening');
      return { ...app, close: async () => undefined };
    });
    try {
      expect(urls).toEqual([expect.anything(), front.url]);
      expect(front.url).not.toBe(urls[0]);
      expect((await call('GET', `${front.url}/health/live`, undefined, FROM_PAGE)).status).toBe(
        200,
      );
    } finally {
      await front.close();
      await new Promise((resolve) => other.close(resolve));
    }
  });

  it('has nothing that the doctor would mend', async () => {
    const { app: healthy, nginx: front } = await Nginx.startWith((url) =>
      startApp({
        OLLAMA_BASE_URL: upstream.url,
        PUBLIC_SOCKET_URL: url,
        TRUST_PROXY: 'loopback',
      }),
    );
    try {
      const { code, found } = await findings(front.url);
      // Round trips are slow on a busy machine.
      expect(found.filter(({ id, status }) => status !== 'ok' && id !== 'ping')).toEqual([]);
      expect([found.length, code]).toEqual([ALL.length, 0]);
    } finally {
      await front.close();
      await healthy.close();
    }
  });
});

/** One generation, its upstream request, and what arrives of it behind nginx. */
class Reading {
  readonly disconnects: string[] = [];

  constructor(
    private readonly request: UpstreamCall,
    private readonly records: StreamRecord[],
    client?: Client,
  ) {
    client?.socket.on('disconnect', (reason) => this.disconnects.push(reason));
  }

  /** The upstream says one more piece, and waits until it has arrived. */
  async next(piece: string): Promise<void> {
    const before = this.records.length;
    this.request.text(piece);
    await until(() => this.records.length > before);
    expect(textOf(this.records[before]!)).toBe(piece);
    expect(this.request.isOpen).toBe(true);
  }

  /** @returns the whole text */
  async end(): Promise<string> {
    this.request.done();
    await until(() => this.records.some((record) => 'state' in record));
    expect(this.records.at(-1)).toMatchObject({ state: 'completed' });
    return this.records.map(textOf).join('');
  }
}

/** The records of one SSE response, as they arrive. */
function readEvents(generationUrl: string): StreamRecord[] {
  const records: StreamRecord[] = [];
  const parser = createParser({
    onEvent: ({ data }) => records.push(JSON.parse(data) as StreamRecord),
  });
  get(`${generationUrl}/events`, { headers: FROM_PAGE }, (response) => {
    response.setEncoding('utf8').on('data', (text: string) => parser.feed(text));
  });
  return records;
}
