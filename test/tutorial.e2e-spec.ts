import { createHash } from 'node:crypto';
import type { RunningServer } from '../src/server.js';
import { Client, textOf } from './support/client.js';
import { call } from './support/rest.js';
import type { ScriptedUpstream } from './support/scripted-upstream.js';
import { Stage } from './support/stage.js';

describe('the tutorial: a prompt over REST, the tokens on the Socket.IO client', () => {
  let stage: Stage;
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let client: Client;

  beforeAll(async () => {
    stage = await Stage.open();
    ({ upstream, app } = stage);
    client = await stage.connect();
  });
  afterAll(() => stage?.close());

  const generate = (body: object = {}) =>
    call('POST', `${app.url}/llm/generate`, {
      clientId: client.id,
      prompt: 'why is the sky blue?',
      ...body,
    });

  it('answers 201 at once, with where the generation is', async () => {
    const answer = await generate();
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      status: 'Streaming started',
      generationId: expect.stringMatching(/^[\w-]{22}$/),
      clientId: client.id,
      model: 'llama3.2',
      state: 'starting',
    });
    expect(answer.headers.get('location')).toBe(`/llm/generations/${answer.body.generationId}`);
    const request = await upstream.nextCall();
    expect(request.path).toBe('/api/generate');
    expect(request.body).toEqual({
      model: 'llama3.2',
      prompt: 'why is the sky blue?',
      stream: true,
      options: { num_predict: 4096 },
      truncate: false,
      shift: false,
    });
    request.done();
    await client.ended(answer.body.generationId);
  });

  it('sends each upstream chunk as its own streamData while the upstream is still producing', async () => {
    const { body } = await generate();
    const request = await upstream.nextCall();
    for (const [count, piece] of ['The', ' sky', ' is', ' blué 😀'].entries()) {
      request.text(piece);
      await client.until(() => client.of(body.generationId).length === count + 1);
      expect(textOf(client.of(body.generationId)[count]!)).toBe(piece);
      expect(request.isOpen).toBe(true);
    }
    request.done();
    const terminal = await client.ended(body.generationId);
    const text = 'The sky is blué 😀';
    expect(client.of(body.generationId)).toEqual([
      ...['The', ' sky', ' is', ' blué 😀'].map((response, index) => ({
        generationId: body.generationId,
        seq: index + 1,
        model: 'llama3.2',
        created_at: '2026-01-02T03:04:05.678Z',
        response,
        done: false,
      })),
      {
        generationId: body.generationId,
        seq: 5,
        model: 'llama3.2',
        created_at: '2026-01-02T03:04:06.1Z',
        response: '',
        done: true,
        done_reason: 'stop',
        total_duration: 2_500_000_000,
        load_duration: 40_000_000,
        prompt_eval_count: 11,
        prompt_eval_duration: 90_000_000,
        eval_count: 3,
        eval_duration: 150_000_000,
      },
      {
        generationId: body.generationId,
        seq: 6,
        message: 'Streaming completed',
        state: 'completed',
        finishReason: 'stop',
        usage: { promptTokens: 11, completionTokens: 3 },
        timings: {
          queuedMs: expect.any(Number),
          loadMs: 40,
          firstTokenMs: expect.any(Number),
          totalMs: expect.any(Number),
          tokensPerSecond: 20,
        },
        bytes: Buffer.byteLength(text),
        sha256: createHash('sha256').update(text).digest('hex'),
      },
    ]);
    expect(terminal.seq).toBe(6);
  });

  it('sends nothing to a second client', async () => {
    const other = await Client.connect(app.socketUrl);
    const { body } = await generate();
    const request = await upstream.nextCall();
    request.text('for one').done();
    await client.ended(body.generationId);
    // A round trip on the other socket: anything sent to it before would be here.
    await other.ask('cancel', { generationId: body.generationId });
    expect(other.records).toEqual([]);
    expect(other.states).toEqual([]);
    other.close();
  });

  it('gives the version of the upstream', async () => {
    expect(await call('GET', `${app.url}/llm/version`)).toMatchObject({
      status: 200,
      body: { version: '0.33.0-scripted' },
    });
  });
});
