import { join } from 'node:path';
import type { ToolCall } from '../../src/protocol/model-fields.js';
import type { TerminalRecord } from '../../src/protocol/terminal-record.js';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { Client } from '../support/client.js';
import { answered, askModel } from '../support/conversation.js';
import { LlamaServer, REAL_MODEL } from '../support/llama-server.js';
import { describeIf } from '../support/needs.js';
import { call } from '../support/rest.js';
import { until } from '../support/until.js';

const WEATHER = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

describeIf(...REAL_MODEL)('a real llama-server', () => {
  let model: LlamaServer | undefined;
  let app: RunningServer | undefined;
  let client: Client;

  const boot = async (args: string[], env: Record<string, string | number> = {}) => {
    model = await LlamaServer.start(args);
    await connect(model, env);
  };
  const connect = async (to: LlamaServer, env: Record<string, string | number> = {}) => {
    app = await startApp({ ...to.env, MAX_CONCURRENT: 1, ...env });
    client = await Client.connect(app.socketUrl);
  };
  afterEach(async () => {
    client?.close();
    await app?.close();
    await model?.close();
    app = model = undefined;
  });
  const generate = (prompt: string, more: object = {}) =>
    askModel(client, 'generate', { prompt, ...more });

  it('calls a tool, whose arguments arrive as the model wrote them', async () => {
    await boot(['-c', '4096', '--chat-template-file', join(import.meta.dirname, 'tools.jinja')]);
    // A model as small as this one does as was done before.
    const before = ['Rome', 'Paris', 'Lima', 'Cairo'].flatMap((city, at) => [
      { role: 'user', content: `What is the weather in ${city}?` },
      {
        role: 'assistant',
        content: '',
        tool_calls: [{ id: `call-${at}`, function: { name: 'weather', arguments: { city } } }],
      },
      { role: 'tool', tool_call_id: `call-${at}`, content: 'sunny' },
    ]);
    const { records, end, text } = await askModel(client, 'chat', {
      messages: [...before, { role: 'user', content: 'What is the weather in Oslo?' }],
      tools: [WEATHER],
      options: { temperature: 0, num_predict: 60 },
    });
    const calls = records.flatMap((record): ToolCall[] =>
      'message' in record && typeof record.message === 'object'
        ? (record.message.tool_calls ?? [])
        : [],
    );
    expect(calls).toEqual([
      expect.objectContaining({
        function: expect.objectContaining({ name: 'weather', arguments: { city: 'Oslo' } }),
      }),
    ]);
    expect(calls[0]?.id).toMatch(/^\S+$/);
    expect(end).toMatchObject({ state: 'completed', finishReason: 'tool_calls' });
    expect(text).toBe('');
  });

  it.each(['smollm2', 'first', 'second'])('answers under its alias %s', async (name) => {
    await boot(['-c', '2048', '--alias', 'first,second,smollm2'], { OPENAI_MODEL: name });
    const options = { num_predict: 2 };
    expect((await generate('Hello', { options })).end).toMatchObject({ state: 'completed' });
    expect((await generate('Hello', { model: name, options })).end.state).toBe('completed');
  });

  it('is waited for while it loads its model', async () => {
    model = await LlamaServer.begin(['-c', '2048']);
    const loading = model;
    await until(async () => (await loading.statusOf('/health')) === 503);
    await connect(loading);
    const { generationId, state } = await client.accepted('generate', {
      prompt: 'Hello',
      options: { num_predict: 3 },
    });
    expect(state).toBe('starting');
    const { end, attempts } = await answered(client, generationId);
    expect(end).toMatchObject({ state: 'completed', usage: { completionTokens: 3 } });
    expect(attempts).toBe(1);
  });

  it('lets nobody in before a cancelled prompt is out of its slot', async () => {
    // One batch is computed to its end before the closed connection is seen.
    await boot(['-c', '4096', '-np', '1', '-b', '2048', '-ub', '2048']);
    const long = { prompt: 'word '.repeat(1_500), options: { num_predict: 2 } };
    const { generationId } = await client.accepted('generate', long);
    await until(async () => (await model!.busySlots()) === 1);
    const cancelled = await client.ask('cancel', { generationId });
    expect(cancelled).toMatchObject({ ok: true, state: 'cancelled' });
    expect(await model!.busySlots()).toBe(1);
    const next = await client.accepted('generate', {
      prompt: 'Hello',
      options: { num_predict: 2 },
    });
    expect(next).toMatchObject({ state: 'queued', position: 1 });
    const end = await client.ended(next.generationId);
    // It was served at once when its turn had come.
    const { queuedMs, firstTokenMs } = (end as Extract<TerminalRecord, { state: 'completed' }>)
      .timings;
    expect(queuedMs).toBeGreaterThan(2 * (firstTokenMs! - queuedMs));
  });

  it('is told from a whole answer when it dies in the middle, and is asked again when it is back', async () => {
    await boot(['-c', '2048']);
    const { generationId } = await client.accepted('generate', {
      prompt: 'Tell a very long story.',
      options: { num_predict: 1_500 },
    });
    await client.until(() => client.of(generationId).length > 5);
    const port = await model!.kill();
    const { end, text, records, attempts } = await answered(client, generationId);
    expect(end).toMatchObject({
      state: 'failed',
      code: expect.stringMatching(/^upstream_(truncated|unreachable)$/),
      retryable: false,
      bytes: Buffer.byteLength(text),
    });
    expect(records.length).toBeGreaterThan(5);
    expect(attempts).toBe(1);

    const away = await generate('Hello');
    expect(away.end).toMatchObject({ state: 'failed', code: 'upstream_unreachable' });
    model = await LlamaServer.start(['-c', '2048'], port);
    await until(async () => {
      const { end: again } = await generate('Hello', { options: { num_predict: 2 } });
      return again.state === 'completed';
    });
  });

  it('tells its context and its size in the list of models', async () => {
    await boot(['-c', '2048']);
    const { body } = await call('GET', `${app!.url}/llm/models`);
    expect(body.models).toEqual([
      expect.objectContaining({
        name: 'smollm2',
        loaded: true,
        contextLength: 2048,
        maxContextLength: 8192,
        size: 96_576_768,
      }),
    ]);
  });
});
