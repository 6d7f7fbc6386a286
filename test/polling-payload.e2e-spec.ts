import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamRecord } from '../src/protocol/records.js';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { textOf } from './support/client.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { until } from './support/until.js';

/** What python-engineio reads of one response; over it, it drops the connection. */
const MOST_PACKETS = 16;

/** A polling client with a poll of its own choice: never two, and none until it is told. */
class Poller {
  readonly payloads: string[][] = [];

  private constructor(private readonly session: string) {}

  static async connect(socketUrl: string): Promise<Poller> {
    const url = `${socketUrl}/socket.io/?EIO=4&transport=polling`;
    const [, sid] = /"sid":"([^"]+)"/.exec(await (await fetch(url)).text()) ?? [];
    const poller = new Poller(`${url}&sid=${sid}`);
    await poller.send('40/events,');
    await until(async () => (await poller.poll()).some((packet) => packet.startsWith('40/events')));
    return poller;
  }

  async send(...packets: string[]): Promise<void> {
    const body = packets.join('\x1e');
    expect((await fetch(this.session, { method: 'POST', body })).status).toBe(200);
  }

  /** @returns the packets of the next response */
  async poll(): Promise<string[]> {
    const packets = (await (await fetch(this.session)).text()).split('\x1e');
    this.payloads.push(packets);
    if (packets.includes('2')) await this.send('3');
    return packets;
  }

  get records(): StreamRecord[] {
    return this.payloads
      .flat()
      .filter((packet) => packet.startsWith('42/events,["streamData"'))
      .map(
        (packet) => (JSON.parse(packet.slice('42/events,'.length)) as [string, StreamRecord])[1],
      );
  }
}

describe('a polling response', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 8 });
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  it('holds no more than 16 packets of a client that polls too seldom, and nothing is lost', async () => {
    const poller = await Poller.connect(app.socketUrl);
    await poller.send('42/events,1["generate",{"prompt":"x"}]');
    const call = await upstream.nextCall();
    let said = '';
    for (let round = 0; round < 10; round++) {
      for (let at = 0; at < 30; at++) {
        const piece = ` ${round}.${at}`;
        said += piece;
        call.text(piece);
      }
      // Time for all of them to reach the server.
      await sleep(50);
      await poller.poll();
    }
    call.done();
    await until(async () => {
      await poller.poll();
      return poller.records.some((record) => 'state' in record);
    });
    expect(Math.max(...poller.payloads.map(({ length }) => length))).toBeLessThanOrEqual(
      MOST_PACKETS,
    );
    expect(poller.records.map(textOf).join('')).toBe(said);
    // Without a hole and without a record twice.
    let last = 0;
    for (const { from, seq } of poller.records) {
      expect(from ?? seq).toBe(last + 1);
      last = seq;
    }
  });

  it('holds no more than 16 acks, and the others come with the next ones, in order', async () => {
    const poller = await Poller.connect(app.socketUrl);
    const asked = Array.from({ length: 40 }, (_, at) => at);
    const request = '["join",{"generationId":"AAAAAAAAAAAAAAAAAAAAAA","after":0}]';
    for (let at = 0; at < asked.length; at += 10) {
      await poller.send(...asked.slice(at, at + 10).map((id) => `42/events,${id}${request}`));
    }
    const acks = (): number[] =>
      poller.payloads.flat().flatMap((packet) => {
        const [, id] = /^43\/events,(\d+)\[/.exec(packet) ?? [];
        return id === undefined ? [] : [Number(id)];
      });
    await until(async () => {
      await poller.poll();
      return acks().length >= asked.length;
    });
    expect(Math.max(...poller.payloads.map(({ length }) => length))).toBeLessThanOrEqual(
      MOST_PACKETS,
    );
    expect(acks()).toEqual(asked);
  });
});
