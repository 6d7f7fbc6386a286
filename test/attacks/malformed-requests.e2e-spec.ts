import { CUT_MS, Victim } from '../support/victim.js';
import { until } from '../support/until.js';

const MANY = Array.from({ length: 101 }, (_, at) => `X-${at}: 1`);

/** Sends one request as it is written, and resolves with the whole answer. */
async function answerTo(victim: Victim, url: string, lines: string[], body = ''): Promise<string> {
  const peer = await victim.connect(url);
  await peer.send(`${lines.join('\r\n')}\r\n\r\n${body}`);
  await until(() => /\r\n\r\n/.test(peer.said) || peer.isCut, CUT_MS);
  peer.socket.destroy();
  return peer.said;
}

describe('a request that is malformed', () => {
  let victim: Victim;
  beforeAll(async () => (victim = await Victim.start()));
  afterAll(() => victim?.close());

  describe.each(['REST', 'Socket.IO'])('at %s', (door) => {
    const url = (): string => (door === 'REST' ? victim.url : victim.socketUrl);
    const path = door === 'REST' ? '/health/live' : '/socket.io/?EIO=4&transport=polling';
    const get = `GET ${path} HTTP/1.1`;

    it.each<[string, number, string[]]>([
      ['more than 100 headers', 431, [get, 'Host: localhost', ...MANY]],
      ['an absolute target', 400, [`GET http://localhost${path} HTTP/1.1`, 'Host: localhost']],
      [
        'a target of another host',
        400,
        [`GET http://evil.example${path} HTTP/1.1`, 'Host: localhost'],
      ],
      ['the target *', 400, ['OPTIONS * HTTP/1.1', 'Host: localhost']],
      ['two Host headers', 400, [get, 'Host: localhost', 'Host: evil.example']],
      ['two Host headers, the same', 400, [get, 'Host: localhost', 'host: localhost']],
      [
        'two origins',
        400,
        [get, 'Host: localhost', 'Origin: http://localhost', 'Origin: http://b'],
      ],
      ['a Host with a ;', 400, [get, 'Host: a;b.localhost']],
      ['a Host with a quote', 400, [get, "Host: a'b.localhost"]],
      ['a Host with a blank', 400, [get, 'Host: a b.localhost']],
      ['a Host with a path', 400, [get, 'Host: localhost/evil']],
      ['a Host with userinfo', 400, [get, 'Host: evil@localhost']],
      ['an empty Host', 400, [get, 'Host:']],
      ['a Host with a long port', 400, [get, 'Host: localhost:123456']],
      ['no Host', 400, [get]],
      ['gzip', 415, [get, 'Host: localhost', 'Content-Encoding: gzip']],
      ['Brotli', 415, [get, 'Host: localhost', 'Content-Encoding: br']],
      ['deflate', 415, [get, 'Host: localhost', 'Content-Encoding: Deflate']],
      ['several encodings', 415, [get, 'Host: localhost', 'Content-Encoding: identity, gzip']],
      ['zstd', 415, [get, 'Host: localhost', 'Content-Encoding: zstd']],
    ])('has %s: %i', async (_, status, lines) => {
      const said = await answerTo(victim, url(), lines);
      expect(said).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(said).toMatch(/connection: close/i);
      if (lines.length > 1) expect(said).toMatch(/"code":"\w+","message":"The|There/);
    });

    it('has exactly 100 headers: it is none', async () => {
      const lines = [get, 'Host: localhost', 'Connection: close', ...MANY.slice(0, 98)];
      expect(await answerTo(victim, url(), lines)).toMatch(/^HTTP\/1.1 200 /);
    });

    it.each([
      '//',
      '///etc',
      '/\\',
      '/%',
      '/%00',
      '/?',
      '/a/../b',
      '//evil.example/..',
      '/.',
      '/;',
    ])('asks for %s: a refusal, and no word in the log', async (target) => {
      const said = await answerTo(victim, url(), [`GET ${target} HTTP/1.1`, 'Host: localhost']);
      expect(said).toMatch(/^HTTP\/1.1 (400|404|200|301) /);
    });

    it('has all the headers that browsers heed, whatever is asked', async () => {
      for (const target of [path, '/nothing', 'http://evil.example/']) {
        const said = await answerTo(victim, url(), [`GET ${target} HTTP/1.1`, 'Host: localhost']);
        expect(said).toMatch(/x-content-type-options: nosniff/i);
        expect(said).toMatch(/content-security-policy: default-src/i);
        expect(said).toMatch(/cache-control: no-store/i);
        expect(said).toMatch(/x-request-id: [\w-]{36}/i);
        expect(said).not.toMatch(/x-powered-by/i);
      }
    });
  });

  it('is refused as an upgrade, too', async () => {
    const lines = [
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ];
    const hosts = ['Host: localhost', 'Host: evil.example'];
    expect(await answerTo(victim, victim.socketUrl, [...lines, ...hosts])).toMatch(/ 400 Bad/);
    const many = [...lines, 'Host: localhost', ...MANY];
    expect(await answerTo(victim, victim.socketUrl, many)).toMatch(/ 431 Request Header/);
    expect(await answerTo(victim, victim.socketUrl, [...lines, 'Host: localhost'])).toMatch(
      / 101 /,
    );
  });

  it('has an encoded body: it is refused before the body is read', async () => {
    const said = await answerTo(victim, victim.url, [
      'POST /llm/generate HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/json',
      'Content-Encoding: gzip',
      'Content-Length: 20000000',
    ]);
    expect(said).toMatch(/^HTTP\/1.1 415 .*"code":"unsupported_media_type"/s);
  });

  it('HEAD is answered like GET without a body, for an event stream at once', async () => {
    const ask = (target: string): Promise<string> =>
      answerTo(victim, victim.url, [
        `HEAD ${target} HTTP/1.1`,
        'Host: localhost',
        'Connection: close',
      ]);
    expect(await ask('/health/live')).toMatch(/^HTTP\/1.1 200 /);
    const stream = await ask('/health/stream');
    expect(stream).toMatch(/^HTTP\/1.1 200 .*content-type: text\/event-stream/is);
  });

  it('has left no word in the log, and the server lives', async () => {
    expect(victim.output).not.toMatch(/ERROR|    at /);
    expect((await fetch(`${victim.url}/health/live`)).status).toBe(200);
  });
});
