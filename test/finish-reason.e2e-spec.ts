import { setTimeout as sleep } from 'node:timers/promises';
import { startApp } from './support/app.js';
import { Client, textOf } from './support/client.js';
import { type OpenAiCall, OpenAiUpstream } from './support/openai-upstream.js';
import { within } from './support/until.js';

const USAGE = { prompt_tokens: 11, completion_tokens: 3 };
/** Longer than an answer with a finish_reason is waited for. */
const LONG_MS = 6_000;

describe('the answer of an OpenAI-compatible server, behind its finish_reason', () => {
  const open: (() => Promise<void> | void)[] = [];
  afterAll(async () => {
    for (const close of open.toReversed()) await close();
  });

  /** A server of its own for each test: they wait side by side. */
  const start = async (
    env: Record<string, number> = {},
  ): Promise<{ id: string; request: OpenAiCall; client: Client }> => {
    const upstream = await OpenAiUpstream.start();
    open.push(() => upstream.close());
    const app = await startApp({
      OLLAMA_BASE_URL: '',
      OPENAI_BASE_URL: upstream.url,
      OPENAI_MODEL: 'gpt-demo',
      ...env,
    });
    open.push(() => app.close());
    const client = await Client.connect(app.socketUrl);
    open.push(() => client.close());
    const ack = await client.accepted('chat', { messages: [{ role: 'user', content: 'hi' }] });
    return { id: ack.generationId, request: await upstream.nextCall(), client };
  };

  it.concurrent(
    'is whole after a few seconds without [DONE] and end, in spite of pings',
    async () => {
      const { id, request, client } = await start();
      request.text('all').choice({}, 'stop');
      const pings = setInterval(() => request.write(': ping\n\n'), 200);
      const terminal = await client.ended(id);
      clearInterval(pings);
      expect(terminal).toMatchObject({ state: 'completed', finishReason: 'stop', usage: null });
      expect(client.text(id)).toBe('all');
      await request.closed;
    },
  );

  it.concurrent('is waited for no longer than any silence', async () => {
    const { id, request, client } = await start({ IDLE_TIMEOUT_MS: 500 });
    request.text('all').choice({}, 'length');
    // Where nothing says otherwise it is 5 s.
    const terminal = await within(4_000, client.ended(id));
    expect(terminal).toMatchObject({ state: 'completed', finishReason: 'length' });
    await request.closed;
  });

  it.concurrent('may have its usage a little later', async () => {
    const { id, request, client } = await start();
    request.text('all').choice({}, 'stop');
    await sleep(500);
    request.event({ choices: [], usage: USAGE }).event('[DONE]').end();
    expect(await client.ended(id)).toMatchObject({
      state: 'completed',
      usage: { promptTokens: 11, completionTokens: 3 },
    });
  });

  it.concurrent('is whole also where the connection dies then', async () => {
    const { id, request, client } = await start();
    request.text('all').choice({}, 'stop');
    await client.until(() => client.text(id) === 'all');
    await sleep(100);
    request.reset();
    expect(await client.ended(id)).toMatchObject({ state: 'completed', bytes: 3 });
  });

  it.concurrent.each([
    ['the failure it told', {}, 'error', 'upstream_error'],
    ['half a tool call', call('{"a'), 'tool_calls', 'tool_call_incomplete'],
  ])('fails as soon where it is %s', async (_what, delta, finishReason, code) => {
    const { id, request, client } = await start({ IDLE_TIMEOUT_MS: 500 });
    request.text('all').choice(delta).choice({}, finishReason);
    expect(await client.ended(id)).toMatchObject({ state: 'failed', code });
    await request.closed;
  });

  // Gemini behind several gateways: BerriAI/litellm#2195, su-kaka/gcli2api#403.
  it.concurrent(
    'goes on where every chunk has a finish_reason, however long it pauses',
    async () => {
      const { id, request, client } = await start();
      request.choice({ content: 'one ' }, 'stop');
      await client.until(() => client.text(id) === 'one ');
      request.choice({ content: 'two ' }, 'stop');
      await sleep(LONG_MS);
      request.choice({ content: 'three' }, 'stop').event('[DONE]').end();
      expect(await client.ended(id)).toMatchObject({ state: 'completed', finishReason: 'stop' });
      expect(client.of(id).map(textOf).join('')).toBe('one two three');
    },
  );

  it.concurrent('is not believed where the first chunk has one already', async () => {
    const { id, request, client } = await start();
    request.choice({ content: 'one ' }, 'stop');
    await sleep(LONG_MS);
    request.choice({ content: 'two' }, 'stop').event('[DONE]').end();
    expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    expect(client.text(id)).toBe('one two');
  });

  it.concurrent('is whole where the connection dies in the middle of the usage', async () => {
    const { id, request, client } = await start();
    request.text('all').choice({}, 'stop').write('data: {"choices":[],"usa');
    await client.until(() => client.text(id) === 'all');
    await sleep(100);
    request.reset();
    expect(await client.ended(id)).toMatchObject({ state: 'completed', usage: null });
  });

  it.concurrent('has not come with an empty one', async () => {
    const { id, request, client } = await start({ IDLE_TIMEOUT_MS: 500 });
    request.choice({ content: 'a' }, '');
    expect(await client.ended(id)).toMatchObject({ state: 'failed', code: 'idle_timeout' });
  });
});

function call(written: string): object {
  return { tool_calls: [{ index: 0, function: { name: 'f', arguments: written } }] };
}
