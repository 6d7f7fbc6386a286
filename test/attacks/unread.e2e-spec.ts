import { RawWebSocket } from '../support/raw-engine.js';
import { call } from '../support/rest.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { until } from '../support/until.js';
import { mayHold, NEIGHBOUR_MS, Victim } from '../support/victim.js';

const MIB = 1_048_576;
/** Characters of an answer: more than the kernel takes for a client that does not read (6 MB). */
const CHARS = 8 * MIB;
const ANSWERS = 2;
const CONNECTIONS = 8;

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
      // Kept as a response too, so that each door can read it.
      const asked = { input: `question ${at}`, background: true };
      const { id } = (await call('POST', `${victim.url}/v1/responses`, asked)).body;
      const generationId = (id as string).replace('resp_', '');
      const answer = await upstream.nextCall();
      for (let piece = 0; piece < 128; piece++) answer.text('x'.repeat(CHARS / 128));
      answer.done();
      ids.push(generationId);
      // What is asked again and again is small.
      await until(async () => {
        const { body } = await call('GET', `${victim.url}/llm/queue`);
        return body.upstreams[0].running === 0;
      });
      const { body: kept } = await call('GET', `${victim.url}/llm/generations/${generationId}`);
      expect(kept.state).toBe('completed');
      expect(kept.text).toHaveLength(CHARS);
    }
  });
  afterAll(async () => {
    expect(victim.lives).toBe(true);
    expect(victim.output).not.toMatch(/ERROR|    at /);
    await victim?.close();
    await upstream?.close();
  });

  /** Asks, and reads no more once the answer begins. @returns bytes that were sent */
  const ask = async (
    method: string,
    path: string,
    body?: object,
    key = 'none',
  ): Promise<number> => {
    const peer = await victim.connect();
    peer.socket.once('data', () => peer.stop());
    const json = body === undefined ? '' : JSON.stringify(body);
    const request = [
      `${method} ${path} HTTP/1.1`,
      'Host: localhost',
      `Idempotency-Key: ${key}`,
      ...(body === undefined
        ? []
        : ['Content-Type: application/json', `Content-Length: ${json.length}`]),
      '',
      json,
    ].join('\r\n');
    await peer.send(request);
    await until(() => peer.said !== '' || peer.isCut);
    return request.length;
  };

  it.each([
    ['GET', (id: string) => ask('GET', `/llm/generations/${id}`)],
    ['GET of a response', (id: string) => ask('GET', `/v1/responses/resp_${id}`)],
    ['its cancel', (id: string) => ask('POST', `/v1/responses/resp_${id}/cancel`)],
    [
      'the events of a response',
      (id: string) => ask('GET', `/v1/responses/resp_${id}?stream=true`),
    ],
    ['frames of the AI SDK', (id: string) => ask('GET', `/ai/chat/${id}/stream?startIndex=1`)],
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
    const { held, waited } = await victim.under(
      async () => {
        sent = 0;
        for (let at = 0; at < CONNECTIONS; at++) sent += await ask(ids[at % ANSWERS]!);
      },
      () => Math.max(mayHold(sent), CHARS + MIB),
    );
    // One answer that is written as a whole is left to its caller, however large it is.
    expect(held).toBeLessThan(Math.max(mayHold(sent), CHARS + MIB));
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });

  it('that are written as a whole: the largest are cut', async () => {
    upstream.models = Array.from({ length: 20_000 }, (_, at) => `${at}:${'m'.repeat(200)}`);
    // Asked for one that it does not know, the server looks for new ones.
    const asked = { prompt: 'one', model: upstream.models[0], onDisconnect: 'keep' };
    await call('POST', `${victim.url}/llm/generate`, asked);
    (await upstream.nextCall()).done();
    const { body } = await call('GET', `${victim.url}/llm/models`);
    expect(body.models).toHaveLength(upstream.models.length);
    let sent = 0;
    const { held, waited } = await victim.under(
      async () => {
        sent = 0;
        for (let at = 0; at < CONNECTIONS; at++) sent += await ask('GET', '/llm/models');
      },
      () => mayHold(sent),
    );
    expect(held).toBeLessThan(mayHold(sent));
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });

  const messages = [{ role: 'user', content: 'one' }];
  const parts = [{ type: 'text', text: 'one' }];
  it.each<[string, string, object]>([
    ['chunks of OpenAI', '/v1/chat/completions', { messages, stream: true }],
    ['a whole completion', '/v1/chat/completions', { messages }],
    ['events of a response', '/v1/responses', { input: 'one', stream: true }],
    ['a whole response', '/v1/responses', { input: 'one' }],
    ['lines of Ollama', '/api/chat', { messages }],
    ['a whole answer of Ollama', '/api/chat', { messages, stream: false }],
    ['frames of the AI SDK', '/ai/chat', { messages: [{ role: 'user', parts }] }],
  ])('nor while they grow: %s', async (_, path, body) => {
    let sent = 0;
    let tries = 0;
    const { held, waited } = await victim.under(
      async () => {
        // All get the same answer, which is kept.
        const key = `${path} ${JSON.stringify(body).length} ${tries++}`;
        const asked = Array.from({ length: CONNECTIONS }, () => ask('POST', path, body, key));
        const answer = await upstream.nextCall();
        for (let piece = 0; piece < 128; piece++) answer.text('x'.repeat(CHARS / 128));
        answer.done();
        sent = (await Promise.all(asked)).reduce((sum, bytes) => sum + bytes, 0);
      },
      () => mayHold(sent) + 2 * CHARS + MIB,
    );
    // The answer is kept; one that is written as a whole is left to its caller; and each connection has
    // its buffer.
    expect(held).toBeLessThan(mayHold(sent) + 2 * CHARS + MIB);
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });
});
