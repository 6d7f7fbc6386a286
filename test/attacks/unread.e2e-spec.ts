import { RawWebSocket } from '../support/raw-engine.js';
import { call } from '../support/rest.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { until } from '../support/until.js';
import { mayHold, NEIGHBOUR_MS, Victim } from '../support/victim.js';

const MIB = 1_048_576;
/** Characters of an answer: more than the kernel takes for a client that does not read (6 MB). */
const CHARS = 8 * MIB;
const ANSWERS = 2;
const CONNECTIONS = 50;

describe('large answers that nobody reads', () => {
  let upstream: ScriptedUpstream;
  let victim: Victim;
  const ids: string[] = [];

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    victim = await Victim.start({
      OLLAMA_BASE_URL: upstream.url,
      SLOW_READER_MS: 5_000,
      MAX_LINE_BYTES: 16 * MIB,
    });
    for (let at = 0; at < ANSWERS; at++) {
      const body = { prompt: `question ${at}`, onDisconnect: 'keep' };
      const { generationId } = (await call('POST', `${victim.url}/llm/generate`, body)).body;
      const answer = await upstream.nextCall();
      for (let piece = 0; piece < 128; piece++) answer.text('x'.repeat(CHARS / 128));
      answer.done();
      ids.push(generationId as string);
      await until(async () => {
        const view = await call('GET', `${victim.url}/llm/generations/${generationId}`);
        return view.body.state === 'completed' && view.body.text.length === CHARS;
      });
    }
  });
  afterAll(async () => {
    expect(victim.lives).toBe(true);
    expect(victim.output).not.toMatch(/ERROR|    at /);
    await victim?.close();
    await upstream?.close();
  });

  /** Asks, and reads no more once the answer begins. @returns bytes that were sent */
  const ask = async (method: string, path: string): Promise<number> => {
    const peer = await victim.connect();
    peer.socket.once('data', () => peer.stop());
    const request = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    await peer.send(request);
    await until(() => peer.said !== '' || peer.isCut);
    return request.length;
  };

  it.each([
    ['GET', (id: string) => ask('GET', `/llm/generations/${id}`)],
    ['DELETE', (id: string) => ask('DELETE', `/llm/generations/${id}`)],
    ['Server-Sent Events', (id: string) => ask('GET', `/llm/generations/${id}/events`)],
    [
      'a WebSocket',
      async (id: string) => {
        const socket = await RawWebSocket.joined(victim);
        socket.peer.stop();
        const packet = `42/events,["join",{"generationId":"${id}","after":0}]`;
        await socket.send(packet);
        return packet.length;
      },
    ],
  ])('over %s are not held, whatever their number', async (_, ask) => {
    let sent = 0;
    const { held, waited } = await victim.under(async () => {
      sent = 0;
      for (let at = 0; at < CONNECTIONS; at++) sent += await ask(ids[at % ANSWERS]!);
    });
    expect(held).toBeLessThan(mayHold(sent));
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });
  it('that are written as a whole: the largest are cut', async () => {
    upstream.models = Array.from({ length: 30_000 }, (_, at) => `${at}:${'m'.repeat(200)}`);
    await until(async () => {
      const { body } = await call('GET', `${victim.url}/llm/models`);
      return (body.models as unknown[]).length === upstream.models.length;
    });
    let sent = 0;
    const { held, waited } = await victim.under(async () => {
      sent = 0;
      for (let at = 0; at < 20; at++) sent += await ask('GET', '/llm/models');
    });
    expect(held).toBeLessThan(mayHold(sent));
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });
});
