import { setTimeout as sleep } from 'node:timers/promises';
import { RawWebSocket } from '../support/raw-engine.js';
import { until } from '../support/until.js';
import { mayHold, NEIGHBOUR_MS, type RawPeer, Victim } from '../support/victim.js';

const MIB = 1_048_576;

const post = (path: string, headers: string[], type = 'application/json'): string =>
  [`POST ${path} HTTP/1.1`, 'Host: localhost', `Content-Type: ${type}`, ...headers, '', ''].join(
    '\r\n',
  );

describe('bodies', () => {
  let victim: Victim;
  beforeAll(async () => (victim = await Victim.start()));
  afterAll(async () => {
    expect(victim.lives).toBe(true);
    expect(victim.output).not.toMatch(/ERROR|    at /);
    await victim.close();
  });

  it('that are never finished: all connections together hold 80 MiB, the largest are cut', async () => {
    const most = 19 * MIB;
    let sent = 0;
    const { held, waited } = await victim.under(
      async () => {
        sent = 0;
        const peers: RawPeer[] = [];
        for (let at = 0; at < 12; at++) {
          const peer = await victim.connect();
          await peer.send(post('/llm/generate', [`Content-Length: ${20 * MIB}`]));
          await peer.send(Buffer.alloc(most, 'a'));
          sent += most;
          peers.push(peer);
        }
        await until(() => peers.filter(({ isCut }) => isCut).length >= 8, 2_000);
        // One that is small is left alone.
        const small = await victim.connect();
        await small.send(post('/llm/generate', ['Content-Length: 100']));
        await sleep(300);
        expect(small.isCut).toBe(false);
        expect(peers.filter(({ isCut }) => !isCut)).toHaveLength(4);
      },
      () => 88 * MIB,
    );
    // What the four hold, each in a buffer of at most 20 MiB.
    expect(held).toBeLessThan(88 * MIB);
    expect(held).toBeLessThan(mayHold(sent));
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });

  it('and messages over WebSockets that are never finished count with them', async () => {
    const { held, waited } = await victim.under(
      async () => {
        const sockets: RawWebSocket[] = [];
        for (let at = 0; at < 12; at++) {
          const socket = await RawWebSocket.joined(victim);
          // A text frame of 20 MiB, of which 19 come.
          const head = Buffer.alloc(14);
          head[0] = 0x81;
          head[1] = 0xff;
          head.writeBigUInt64BE(BigInt(20 * MIB), 2);
          await socket.peer.send(head);
          await socket.peer.send(Buffer.alloc(19 * MIB, 'a'));
          sockets.push(socket);
        }
        await until(() => sockets.filter(({ peer }) => peer.isCut).length >= 8, 2_000);
      },
      () => 108 * MIB,
    );
    // Four, and one that was cut and is not free yet.
    expect(held).toBeLessThan(108 * MIB);
    expect(held).toBeLessThan(mayHold(12 * 19 * MIB));
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });

  it.each([
    ['to REST', '/llm/generate', 'application/json'],
    ['to polling', '/socket.io/?EIO=4&transport=polling', 'text/plain'],
  ])('in pieces of one byte, %s, take no more than others', async (_, path, type) => {
    const isRest = path.startsWith('/llm');
    const pieces = Buffer.from('1\r\n \r\n'.repeat(200_000));
    let sent = 0;
    const { held, waited } = await victim.under(
      async () => {
        sent = 0;
        const peer = await victim.connect(isRest ? victim.url : victim.socketUrl);
        await peer.send(post(path, ['Transfer-Encoding: chunked'], type));
        for (let at = 0; at < 3 && !peer.isCut; at++) {
          await peer.send(pieces);
          sent += pieces.length;
        }
      },
      () => mayHold(sent),
    );
    expect(held).toBeLessThan(mayHold(sent));
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });

  describe('with too many', () => {
    let before: number;
    let smallest = Infinity;
    beforeAll(async () => (before = await victim.heldAtRest()));

    it.each([
      ['values', `{"prompt":[${'[],'.repeat(5_000_000)}1]}`],
      ['fields', `{"a":{${'"":0,'.repeat(3_000_000)}"":0}}`],
      ['levels', `{"prompt":${'['.repeat(15_000_000)}`],
      ['quotes', `{"prompt":"${'\\"'.repeat(8_000_000)}"}`],
      ['backslashes', `{"prompt":"${'\\\\'.repeat(8_000_000)}"}`],
      ['images that are none', `{"prompt":"","images":[${'"!",'.repeat(90_000)}"!"]}`],
      ['unknown fields', `{${Array.from({ length: 90_000 }, (_one, at) => `"${at}":0`).join()}}`],
    ])('%s are refused at once', async (_, body) => {
      smallest = Math.min(smallest, body.length);
      const waited = await victim.waitUnder(async () => {
        const answer = await fetch(`${victim.url}/llm/generate`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        });
        expect([400, 413]).toContain(answer.status);
        expect((await answer.text()).length).toBeLessThan(5_000);
      });
      expect(waited).toBeLessThan(NEIGHBOUR_MS);
    });

    it('leave nothing behind, all of them together', async () => {
      expect((await victim.heldAtRest()) - before).toBeLessThan(mayHold(smallest));
    });
  });

  it('too large by their own word are refused before they come', async () => {
    const peer = await victim.connect();
    await peer.send(post('/llm/chat', [`Content-Length: ${21 * MIB}`]));
    await until(() => peer.said.includes('payload_too_large'));
    peer.socket.destroy();
  });

  it('that are slow are cut after 15 s, and headers after 10 s, while one that goes on is left alone', async () => {
    const peers = {
      headers: await victim.connect(),
      headersOfSocket: await victim.connect(victim.socketUrl),
      body: await victim.connect(),
      dribble: await victim.connect(),
      steady: await victim.connect(),
    };
    await peers.headers.send('GET / HTTP/1.1\r\nHost: localhost\r\n');
    await peers.headersOfSocket.send('GET / HTTP/1.1\r\nHost: localhost\r\n');
    for (const peer of [peers.body, peers.dribble, peers.steady]) {
      await peer.send(post('/llm/generate', [`Content-Length: ${20 * MIB}`]));
    }
    const from = performance.now();
    const seconds: Record<string, number> = {};
    while (performance.now() - from < 20_000) {
      await sleep(100);
      for (const [name, { isCut }] of Object.entries(peers)) {
        if (isCut) seconds[name] ??= (performance.now() - from) / 1000;
      }
      if (!peers.headers.isCut) await peers.headers.send('X-Slow: 1\r\n');
      if (!peers.dribble.isCut) await peers.dribble.send(' ');
      // Twice what must come.
      if (!peers.steady.isCut) await peers.steady.send(Buffer.alloc(16 * 1024, ' '));
    }
    expect(seconds).toEqual({
      headers: expect.any(Number),
      headersOfSocket: expect.any(Number),
      body: expect.any(Number),
      dribble: expect.any(Number),
    });
    expect(seconds['headers']).toBeLessThan(14);
    expect(seconds['headersOfSocket']).toBeLessThan(14);
    expect(seconds['body']).toBeLessThan(18);
    expect(seconds['dribble']).toBeLessThan(18);
    expect(peers.body.said).toMatch(/^HTTP\/1.1 408 /);
  });
});
