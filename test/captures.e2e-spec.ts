import * as fc from 'fast-check';
import { PullDecoder } from '../src/cast/ollama/pull-answer.js';
import { OllamaDecoder } from '../src/cast/ollama/answer.js';
import { OpenAiDecoder } from '../src/cast/openai/answer.js';
import type { Part } from '../src/cast/part.js';
import { CastError } from '../src/protocol/errors.js';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { type Capture, capture, EXPECTED, type Expected } from './support/capture.js';
import { Client, textOf } from './support/client.js';
import { cut } from './support/cut.js';
import { decode } from './support/decoding.js';
import { OpenAiUpstream } from './support/openai-upstream.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

const CAPTURES = Object.entries(EXPECTED).map(([name, right]) => [name, right] as const);
const MAX_LINE_BYTES = 8_388_608;

/** What is compared: the same words for parts of a decoder and for records. */
interface Understood extends Omit<Expected, 'retryable' | 'detail'> {
  toolCalls?: number;
}

const rightly = ({ retryable: _retryable, detail: _detail, ...right }: Expected): Understood =>
  right;

describe('what real servers sent is understood', () => {
  const decoderOf = ({ isOllama, endpoint }: Capture) =>
    endpoint === 'pull'
      ? new PullDecoder(MAX_LINE_BYTES)
      : isOllama
        ? new OllamaDecoder(MAX_LINE_BYTES)
        : new OpenAiDecoder(MAX_LINE_BYTES);

  it.each(CAPTURES.filter(([name]) => capture(name).status === 200))(
    '%s: whole, byte by byte and cut anywhere',
    (name, right) => {
      const recorded = capture(name);
      const { body } = recorded;
      const check = (pieces: readonly Buffer[]): void =>
        expect(ofParts(decode(decoderOf(recorded), pieces))).toEqual(rightly(right));
      check([body]);
      check(cut(body, [...body.keys()]));
      fc.assert(
        fc.property(fc.array(fc.nat(), { maxLength: 20 }), (at) => check(cut(body, at))),
        { numRuns: 30 },
      );
    },
  );
});

describe('what real servers sent goes through the whole server', () => {
  let ollama: ScriptedUpstream;
  let openai: OpenAiUpstream;
  /** One server for each of them, and a client of it. */
  const servers: { app: RunningServer; client: Client }[] = [];

  beforeAll(async () => {
    ollama = await ScriptedUpstream.start();
    openai = await OpenAiUpstream.start();
    const none = { OLLAMA_BASE_URL: '', OPENAI_BASE_URL: openai.url, OPENAI_MODEL: 'gpt-demo' };
    for (const env of [{ OLLAMA_BASE_URL: ollama.url, ALLOW_PULL: 'true' }, none]) {
      const app = await startApp(env);
      servers.push({ app, client: await Client.connect(app.socketUrl) });
    }
  });
  afterAll(async () => {
    for (const { app, client } of servers) {
      client.close();
      await app.close();
    }
    await openai?.close();
    await ollama?.close();
  });

  it.each(CAPTURES)('%s', async (name, right) => {
    const { endpoint, isOllama, status, headers, body } = capture(name);
    const { app, client } = servers[isOllama ? 0 : 1]!;
    const upstream = isOllama ? ollama : openai;
    const earlier = upstream.calls.length;
    const [path, asked] = {
      generate: ['generate', { prompt: 'hi' }] as const,
      chat: ['chat', { messages: [{ role: 'user', content: 'hi' }] }] as const,
      pull: ['models/pull', { model: 'llama3.2' }] as const,
    }[endpoint];
    const started = await call('POST', `${app.url}/llm/${path}`, { clientId: client.id, ...asked });
    expect(started.status).toBe(201);
    const { generationId } = started.body as { generationId: string };
    let played = earlier;
    await client.until(() => {
      // Where it may help it is asked again, and gets the same.
      for (const request of upstream.calls.slice(played)) {
        played++;
        request.head(status, headers).write(body).end();
      }
      return client.of(generationId).some((record) => 'state' in record);
    });
    const end = await client.ended(generationId);
    expect(ofRecords(client, generationId)).toEqual(rightly(right));
    expect('retryable' in end ? end.retryable : undefined).toBe(right.retryable);
    if ('detail' in end) expect(end.detail).toContain(right.detail ?? '');
    // Nobody is told twice what was read once.
    if (right.retryable !== true) expect(played - earlier).toBe(1);
  });
});

function ofParts(parts: readonly (Part | CastError)[]): Understood {
  const said: Understood = {};
  for (const part of parts) {
    if (part instanceof CastError) said.code = part.code;
    else if (part.type === 'text' || part.type === 'thinking') {
      said[part.type] = (said[part.type] ?? '') + part.text;
      said.chunks = (said.chunks ?? 0) + 1;
    } else if (part.type === 'progress') said.progress = [...(said.progress ?? []), part.status];
    else if (part.type === 'tool_calls') said.toolCalls = part.calls.length;
    else if (part.type === 'done') {
      const { reason, usage } = part;
      said.finishReason = reason;
      said.usage = usage && [usage.promptTokens, usage.completionTokens];
    }
  }
  return said;
}

function ofRecords(client: Client, generationId: string): Understood {
  const said: Understood = {};
  const take = (kind: 'text' | 'thinking', text = ''): void => {
    if (text === '') return;
    said[kind] = (said[kind] ?? '') + text;
    said.chunks = (said.chunks ?? 0) + 1;
  };
  for (const record of client.of(generationId)) {
    if ('state' in record) {
      if (record.state === 'completed') {
        const { finishReason, usage } = record;
        said.finishReason = finishReason;
        said.usage = usage && [usage.promptTokens, usage.completionTokens];
      } else if (record.state === 'failed') said.code = record.code;
      continue;
    }
    if ('status' in record) said.progress = [...(said.progress ?? []), record.status];
    const { thinking, tool_calls: calls } =
      'message' in record
        ? record.message
        : { thinking: undefined, tool_calls: undefined, ...record };
    take('thinking', thinking);
    take('text', textOf(record));
    if (calls !== undefined) said.toolCalls = calls.length;
  }
  return said;
}
