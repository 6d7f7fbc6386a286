import { createHash } from 'node:crypto';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { Client } from '../support/client.js';
import { askModel } from '../support/conversation.js';
import { findings } from '../support/doctor-run.js';
import { LlamaServer, REAL_MODEL } from '../support/llama-server.js';
import { describeIf } from '../support/needs.js';
import { call } from '../support/rest.js';
import { until } from '../support/until.js';

/** An image of one pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const CITY = {
  type: 'object',
  properties: {
    city: { type: 'string', enum: ['Oslo', 'Rome'] },
    inhabitants: { type: 'integer' },
  },
  required: ['city', 'inhabitants'],
};
/** More tokens than any context here has. */
const TOO_LONG = 'word '.repeat(20_000);

/** A model server, and what is asked of it. */
interface Backend {
  /** What the application's settings are. */
  env: Record<string, string>;
  /** Resolves when it computes nothing any more, where it can be asked. */
  idle?: () => Promise<void>;
  close(): Promise<void>;
}

const { OLLAMA_TEST_URL, OLLAMA_TEST_MODEL = 'smollm2' } = process.env;
const OLLAMA = [
  OLLAMA_TEST_URL !== undefined,
  'no real Ollama is tested, as OLLAMA_TEST_URL is not set (OLLAMA_TEST_MODEL is its model)',
] as const;

async function llamaServer(): Promise<Backend> {
  const server = await LlamaServer.start(['-c', '4096', '-np', '2']);
  return {
    env: server.env,
    idle: async () => until(async () => (await server.busySlots()) === 0),
    close: () => server.close(),
  };
}

async function ollama(): Promise<Backend> {
  return {
    env: { OLLAMA_BASE_URL: OLLAMA_TEST_URL!, OLLAMA_MODEL: OLLAMA_TEST_MODEL },
    close: async () => undefined,
  };
}

describeIf(...REAL_MODEL)('a real model in llama-server', () => behaves(llamaServer));
describeIf(...OLLAMA)('a real model in Ollama', () => behaves(ollama));

function behaves(open: () => Promise<Backend>): void {
  let backend: Backend;
  let app: RunningServer;
  let client: Client;

  beforeAll(async () => {
    backend = await open();
    // One at a time, whatever the model server could do.
    app = await startApp({ ...backend.env, MAX_CONCURRENT: 1 });
    client = await Client.connect(app.socketUrl);
  });
  afterAll(async () => {
    client?.close();
    await app?.close();
    await backend?.close();
  });

  const generate = (prompt: string, more: object = {}) =>
    askModel(client, 'generate', { prompt, ...more });
  const chat = (messages: object[], more: object = {}) =>
    askModel(client, 'chat', { messages, ...more });

  it('goes on from a prompt, token by token, and all of it arrives', async () => {
    const { text, records, end } = await generate('Once upon a time', {
      options: { num_predict: 40, temperature: 0 },
    });
    expect(end).toMatchObject({
      state: 'completed',
      bytes: Buffer.byteLength(text),
      sha256: createHash('sha256').update(text).digest('hex'),
    });
    expect(text).toMatch(/\w+ \w+/);
    // The final chunk and the terminal record come besides.
    const { usage } = end as { usage?: { completionTokens: number; promptTokens: number } };
    expect(usage?.promptTokens).toBeGreaterThan(0);
    expect(records.length - 2).toBeGreaterThan(usage!.completionTokens / 2);
    expect(records.length - 2).toBeLessThanOrEqual(usage!.completionTokens);
  });

  it('measures what it tells of the time', async () => {
    const { end } = await generate('Once upon a time', { options: { num_predict: 20 } });
    const { timings } = end as {
      timings: { queuedMs: number; firstTokenMs: number; totalMs: number; tokensPerSecond: number };
    };
    expect(timings.firstTokenMs).toBeGreaterThan(timings.queuedMs);
    expect(timings.totalMs).toBeGreaterThan(timings.firstTokenMs);
    expect(timings.tokensPerSecond).toBeGreaterThan(0.1);
    expect(timings.tokensPerSecond).toBeLessThan(10_000);
  });

  it('answers a conversation with its history', async () => {
    const options = { num_predict: 12, temperature: 0 };
    const history = [
      { role: 'user', content: 'Say: red apple' },
      { role: 'assistant', content: 'red apple' },
      { role: 'user', content: 'Say: green pear' },
      { role: 'assistant', content: 'green pear' },
    ];
    const question = { role: 'user', content: 'Say: blue plum' };
    const alone = await chat([question], { options });
    const together = await chat([...history, question], { options });
    // What was said before is what it goes by.
    expect(together.text.trim()).toMatch(/^blue plum/i);
    const tokens = [alone, together].map(
      ({ end }) => (end as { usage?: { promptTokens: number } }).usage?.promptTokens ?? 0,
    );
    expect(tokens[1]).toBeGreaterThan(tokens[0]! + 20);
  });

  it('repeats itself with the same seed, and not with another', async () => {
    const withSeed = async (seed: number): Promise<string> => {
      const options = { num_predict: 24, temperature: 1.2, seed };
      return (await generate('My favourite animal is', { options })).text;
    };
    // The first one reads the prompt anew, which rounds otherwise.
    await withSeed(1);
    const [first, again, other] = [await withSeed(1), await withSeed(1), await withSeed(2)];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  it('stops before a word of `stop`', async () => {
    const { text, end } = await chat([{ role: 'user', content: 'Count from one to ten.' }], {
      options: { num_predict: 60, temperature: 0, stop: [',', '.'] },
    });
    expect(end).toMatchObject({ state: 'completed', finishReason: 'stop' });
    expect(text).not.toMatch(/[,.]/);
  });

  it('says no more than `num_predict` tokens', async () => {
    const { end } = await generate('Once upon a time', { options: { num_predict: 5 } });
    expect(end).toMatchObject({
      state: 'completed',
      finishReason: 'length',
      usage: { completionTokens: 5 },
    });
  });

  it('writes an object where JSON is asked for, whatever the question', async () => {
    // A model as small as this one may not come to its end.
    for (const content of ['Describe Oslo as JSON.', 'Who are you?']) {
      const { text, end } = await chat([{ role: 'user', content }], {
        format: 'json',
        options: { num_predict: 40, temperature: 0 },
      });
      expect(end).toMatchObject({ state: 'completed' });
      expect(text).toMatch(/^\s*\{\s*("|\}|$)/);
    }
  });

  it('keeps to a JSON Schema', async () => {
    const { text, end } = await chat([{ role: 'user', content: 'Which city is in Norway?' }], {
      format: CITY,
      options: { num_predict: 200, temperature: 0 },
    });
    expect(end).toMatchObject({ state: 'completed', finishReason: 'stop' });
    const said = JSON.parse(text) as Record<string, unknown>;
    expect(Object.keys(said).sort()).toEqual(['city', 'inhabitants']);
    expect(['Oslo', 'Rome']).toContain(said['city']);
    expect(Number.isInteger(said['inhabitants'])).toBe(true);
  });

  it('is refused an image, once and in words, and goes on answering', async () => {
    const message = { role: 'user', content: 'What is this?', images: [PNG] };
    const { end, attempts } = await chat([message]);
    expect(end).toMatchObject({
      state: 'failed',
      code: 'upstream_rejected',
      retryable: false,
      detail: expect.stringMatching(/image/i),
    });
    expect(attempts).toBe(1);
    expect((await generate('Hello', { options: { num_predict: 2 } })).end.state).toBe('completed');
  });

  it('is refused what does not fit its context, once', async () => {
    const { end, text, attempts } = await generate(TOO_LONG, { options: { num_predict: 4 } });
    expect(end).toMatchObject({ state: 'failed', code: 'context_overflow', retryable: false });
    expect([text, attempts]).toEqual(['', 1]);
  });

  it('stops when it is cancelled in the middle, and the next one begins', async () => {
    const request = { prompt: 'Tell a very long story.', options: { num_predict: 1_500 } };
    const { generationId } = await client.accepted('generate', request);
    await client.until(() => client.of(generationId).length > 5);
    expect(await client.ask('cancel', { generationId })).toMatchObject({ state: 'cancelled' });
    await backend.idle?.();
    expect(client.of(generationId).length).toBeLessThan(1_000);
    const next = await generate('Hello', { options: { num_predict: 3 } });
    expect(next.end).toMatchObject({ state: 'completed' });
  });

  it('serves two clients one after the other where there is one slot', async () => {
    const second = await Client.connect(app.socketUrl);
    try {
      const request = { prompt: 'Once upon a time', options: { num_predict: 60 } };
      const one = await client.accepted('generate', request);
      await client.until(() => client.of(one.generationId).length > 0);
      const two = await second.accepted('generate', request);
      expect(two).toMatchObject({ state: 'queued', position: 1 });
      expect((await second.ended(two.generationId)).state).toBe('completed');
      // By then the first one had ended.
      expect(client.of(one.generationId).at(-1)).toMatchObject({ state: 'completed' });
    } finally {
      second.close();
    }
  });

  it('stands in the list of models, which is there at once', async () => {
    const { status, body } = await call('GET', `${app.url}/llm/models`);
    expect(status).toBe(200);
    expect(body.models).toEqual(
      expect.arrayContaining([expect.objectContaining({ loaded: true })]),
    );
  });

  it('has nothing that the doctor would mend', async () => {
    const { code, found } = await findings(app.url, '--generate');
    // Round trips are slow on a busy machine.
    expect(found.filter(({ id, status }) => status !== 'ok' && id !== 'ping')).toEqual([]);
    expect(found.find(({ id }) => id === 'generate')?.what).toMatch(/all \d+ bytes arrived/);
    expect(code).toBe(0);
  });
}
