import { Client } from '../support/client.js';
import { call } from '../support/rest.js';
import { mayHold, NEIGHBOUR_MS, Victim } from '../support/victim.js';

const many = <T>(count: number, element: T): T[] => Array.from({ length: count }, () => element);
const call_ = { function: { name: 'f', arguments: 7 } };

describe('a list of very many wrong elements', () => {
  let victim: Victim;
  let client: Client;
  let before: number;
  let smallest = Infinity;
  beforeAll(async () => {
    victim = await Victim.start();
    client = await Client.connect(victim.socketUrl, { transports: ['websocket'] });
    before = await victim.heldAtRest();
  });
  afterAll(async () => {
    client?.close();
    await victim?.close();
  });

  it.each<[string, 'generate' | 'chat', object, string, number]>([
    ['images', 'generate', { prompt: '', images: many(99_000, '!') }, 'images', 1],
    [
      'images, as many as there may be',
      'generate',
      { prompt: '', images: many(64, '!') },
      'images.0',
      10,
    ],
    ['messages', 'chat', { messages: many(30_000, {}) }, 'messages', 1],
    ['messages, as many as there may be', 'chat', { messages: many(10_000, 7) }, 'messages.0', 10],
    [
      'images of messages',
      'chat',
      { messages: many(1_400, { role: 'user', content: '', images: many(64, '!') }) },
      'messages.0.images.0',
      10,
    ],
    ['tools', 'chat', { messages: [], tools: many(90_000, 7) }, 'tools', 1],
    [
      'tools, as many as there may be',
      'chat',
      { messages: [], tools: many(1_000, {}) },
      'tools.0.type',
      10,
    ],
    [
      'tool calls',
      'chat',
      { messages: [{ role: 'assistant', content: '', tool_calls: many(20_000, call_) }] },
      'messages.0.tool_calls',
      1,
    ],
    [
      'stop sequences',
      'generate',
      { prompt: '', options: { stop: many(99_000, 7) } },
      'options.stop',
      1,
    ],
    [
      'unknown fields',
      'generate',
      { prompt: '', ...Object.fromEntries(many(90_000, 0).map((_, at) => [at, 0])) },
      '',
      1,
    ],
  ])('%s: ten issues at most, at both doors', async (_, door, request, path, count) => {
    smallest = Math.min(smallest, JSON.stringify(request).length);
    const waited = await victim.waitUnder(async () => {
      const body = { clientId: client.id, ...request };
      const http = await call('POST', `${victim.url}/llm/${door}`, body);
      expect(http.status).toBe(400);
      const ack = await client.ask(door, request);
      for (const refused of [http.body, ack.ok ? undefined : ack.error]) {
        expect(refused.code).toBe('invalid_request');
        expect(refused.details.length).toBeLessThanOrEqual(10);
        if (path !== '') expect(refused.details[0].path).toBe(path);
        if (count > 1) expect(refused.details).toHaveLength(count);
      }
    });
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });

  it('leaves nothing behind: all of them together no more than the smallest may', async () => {
    expect((await victim.heldAtRest()) - before).toBeLessThan(mayHold(2 * smallest));
  });
});
