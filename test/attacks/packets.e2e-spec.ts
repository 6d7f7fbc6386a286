import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../support/client.js';
import { frame, RawPolling, RawWebSocket } from '../support/raw-engine.js';
import { until } from '../support/until.js';
import { CUT_MS, mayHold, NEIGHBOUR_MS, Victim } from '../support/victim.js';

const MIB = 1_048_576;
const CONNECT = '40/events,';
const RECORD_SEPARATOR = '\u001e';

describe('packets', () => {
  let victim: Victim;
  let before: number;
  beforeAll(async () => {
    victim = await Victim.start();
    before = await victim.heldAtRest();
  });
  afterAll(async () => {
    expect(victim.lives).toBe(true);
    expect(victim.output).not.toMatch(/ERROR|    at /);
    await victim.close();
  });

  /** Attacks that end with their connection: nobody else feels one, and nothing is left of them all. */
  const harmless = async (attack: () => Promise<unknown>): Promise<void> => {
    expect(await victim.waitUnder(attack)).toBeLessThan(NEIGHBOUR_MS);
  };

  describe('in one polling payload', () => {
    it.each([
      ['CONNECTs', CONNECT, 2],
      ['CONNECTs', CONNECT, 40_000],
      ['CONNECTs of a namespace that does not exist', '40/none,', 40_000],
      ['pongs', '3', 1_000_000],
      ['events', '42/events,["x"]', 100_000],
      ['acks that nobody asked for', '43/events,1[]', 100_000],
      ['empty packets', '', 5_000_000],
    ])('%s (%s × %i): the session is cut', async (_, packet, count) => {
      const payload = Array.from({ length: count }, () => packet).join(RECORD_SEPARATOR);
      await harmless(async () => {
        const polling = await RawPolling.open(victim);
        await polling.post(payload);
        await until(() => polling.isGone(), CUT_MS);
      });
    });

    it('a large payload is one that an honest client may send', async () => {
      const polling = await RawPolling.open(victim);
      await polling.post(CONNECT);
      await polling.poll();
      const many = Array.from({ length: 500 }, (_, at) => `42/events,${at}["x"]`);
      expect(await polling.post(many.join(RECORD_SEPARATOR))).toBe(200);
      expect(await polling.isGone()).toBe(false);
    });
  });

  it.each([
    ['a second CONNECT', ['40/events,', '40/events,']],
    ['a second CONNECT, later', ['40/events,', 'wait', '40/events,']],
    ['a CONNECT with a large auth', [`40/events,${JSON.stringify({ a: 'x'.repeat(10_000) })}`]],
    ['a namespace without an end', [`40/${'e'.repeat(5 * MIB)}`]],
    ['the id of an ack without an end', ['40/events,', 'wait', `42/events,${'1'.repeat(5 * MIB)}`]],
    ['attachments without an end', ['40/events,', 'wait', `45${'1'.repeat(5 * MIB)}`]],
    ['more attachments than 10', ['40/events,', 'wait', '4511-/events,["generate"]']],
    ['something that is not Socket.IO', ['4hello']],
    ['a binary packet that nothing announced', ['40/events,', 'wait', Buffer.alloc(10)]],
    [
      'text where an attachment is due',
      ['40/events,', 'wait', '451-/events,["x"]', '42/events,["x"]'],
    ],
    [
      'many values',
      ['40/events,', 'wait', `42/events,["generate",[${'[],'.repeat(2_000_000)}[]]]`],
    ],
    ['many values of an ack', ['40/events,', 'wait', `43/events,1[${'{},'.repeat(2_000_000)}{}]`]],
    ['deep nesting', ['40/events,', 'wait', `42/events,["generate",${'['.repeat(5 * MIB)}`]],
  ])('%s over a WebSocket: the connection is cut', async (_, packets) => {
    await harmless(async () => {
      const socket = await RawWebSocket.open(victim);
      for (const packet of packets) {
        if (packet === 'wait') await until(() => socket.peer.said.includes('40/events,{'));
        else await socket.send(packet);
      }
      await socket.peer.cut();
    });
  });

  it('leave nothing behind, all of them together', async () => {
    expect((await victim.heldAtRest()) - before).toBeLessThan(mayHold(0));
  });

  it('more than 200 a second: the connection is cut, and no answer is kept for it', async () => {
    const request = frame('42/events,7["cancel",{"generationId":"none"}]');
    const burst = Buffer.concat(Array.from({ length: 1_000 }, () => request));
    let sent = 0;
    const { held, waited } = await victim.under(
      async () => {
        sent = 0;
        const { peer } = await RawWebSocket.joined(victim);
        peer.stop();
        while (!peer.isCut && sent < 100 * burst.length) {
          await peer.send(burst);
          sent += burst.length;
          await sleep(20);
        }
        expect(peer.isCut).toBe(true);
      },
      () => mayHold(sent),
    );
    expect(sent).toBeLessThan(100 * burst.length);
    expect(held).toBeLessThan(mayHold(sent));
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });

  it('a client that means well may ask 900 things at once, and 150 a second for ever', async () => {
    const client = await Client.connect(victim.socketUrl, { transports: ['websocket'] });
    const ask = (): Promise<unknown> => client.ask('cancel', { generationId: 'none' });
    try {
      await Promise.all(Array.from({ length: 900 }, ask));
      for (let tenth = 0; tenth < 20; tenth++) {
        await Promise.all([...Array.from({ length: 15 }, ask), sleep(100)]);
      }
      expect(client.socket.connected).toBe(true);
    } finally {
      client.close();
    }
  });

  it('answers that nobody reads do not pile up: over polling the session is cut', async () => {
    const polling = await RawPolling.open(victim);
    await polling.post(CONNECT);
    await polling.poll();
    const requests = Array.from({ length: 150 }, () => '42/events,7["x"]').join(RECORD_SEPARATOR);
    let sent = 0;
    const { held, waited } = await victim.under(
      async () => {
        for (let at = 0; at < 100 && !(await polling.isGone()); at++) {
          await polling.post(requests);
          sent += requests.length;
          await sleep(700);
          if (sent > 15 * requests.length) break;
        }
        expect(await polling.isGone()).toBe(true);
      },
      () => mayHold(sent),
    );
    expect(held).toBeLessThan(mayHold(sent));
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });

  it('attachments of which one never comes: 20 MiB a socket is the most', async () => {
    const megabyte = Buffer.alloc(MIB);
    let sent = 0;
    const { held, waited } = await victim.under(
      async () => {
        sent = 0;
        const socket = await RawWebSocket.joined(victim);
        await socket.send('4510-/events,["generate",{}]');
        for (let at = 0; at < 9 && !socket.peer.isCut; at++) {
          const attachment = Buffer.concat([megabyte, megabyte, megabyte]);
          await socket.send(attachment);
          sent += attachment.length;
        }
        await socket.peer.cut();
      },
      () => mayHold(sent),
    );
    expect(held).toBeLessThan(mayHold(sent));
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });

  it('probes of a WebSocket that is to take over are answered once', async () => {
    const polling = await RawPolling.open(victim);
    const { peer } = await RawWebSocket.open(victim, `&sid=${polling.sid}`);
    await peer.send(Buffer.concat(Array.from({ length: 10_000 }, () => frame('2probe'))));
    await peer.cut();
    expect((peer.said.match(/3probe/g) ?? []).length).toBeLessThanOrEqual(2);
  });
});
