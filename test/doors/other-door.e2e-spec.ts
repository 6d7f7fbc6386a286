import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { call } from '../support/rest.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { until } from '../support/until.js';

const user = { role: 'user', content: 'hi' };
const parts = [{ type: 'text', text: 'hi' }];
const ASSISTANT = { id: 'a', role: 'assistant', parts: [{ type: 'text', text: 'Well' }] };
/** The same question at each door. */
const QUESTIONS: readonly (readonly [path: string, body: object])[] = [
  ['/llm/chat', { messages: [user] }],
  ['/v1/chat/completions', { messages: [user], stream: true }],
  ['/v1/responses', { input: 'hi', background: true }],
  ['/api/chat', { messages: [user] }],
  ['/ai/chat', { messages: [{ role: 'user', parts }] }],
  ['/ai/chat', { messages: [{ role: 'user', parts }, ASSISTANT] }],
];

describe('an answer that began at another door', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let answering: NodeJS.Timeout;
  /** How many calls of the upstream were answered. */
  let answered = 0;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    // Whether a question reaches it, and when, is not asked here; one that asks for more is left open.
    answering = setInterval(() => {
      for (; answered < upstream.calls.length; answered++) {
        const call = upstream.calls[answered]!;
        if (!JSON.stringify(call.body).includes('more')) call.text('Yes').done();
      }
    }, 10);
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 99, LIMIT_RUNNING: 99 });
  });
  afterAll(async () => {
    clearInterval(answering);
    await app?.close();
    await upstream?.close();
  });

  const ask = (path: string, body: object, key: string): Promise<Response> =>
    fetch(app.url + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': key,
        'x-llm-cast-on-disconnect': 'keep',
      },
      body: JSON.stringify(path === '/llm/chat' ? { ...body, onDisconnect: 'keep' } : body),
    });

  it.each(
    QUESTIONS.flatMap(([first, one], a) =>
      QUESTIONS.map(([second, other], b) => [first, second, one, other, `${a} ${b}`] as const),
    ),
  )(
    '%s, then %s with one idempotency key: no mistake of ours',
    async (first, second, one, other, key) => {
      const begun = await ask(first, one, key);
      expect([200, 201]).toContain(begun.status);
      await begun.text();
      const again = await ask(second, other, key);
      expect([200, 201, 409]).toContain(again.status);
      expect(await again.text()).not.toContain('"internal"');
    },
  );

  it('is read to its end by the transports of useChat', async () => {
    for (const [path, body] of QUESTIONS) {
      const begun = await ask(path, body, `read ${path} ${JSON.stringify(body).length}`);
      const said = await begun.text();
      const id =
        begun.headers.get('x-llm-cast-generation-id') ??
        (JSON.parse(said) as { generationId: string }).generationId;
      const frames = await fetch(`${app.url}/ai/chat/${id}/stream?startIndex=0`);
      expect(frames.status).toBe(200);
      expect(await frames.text()).toMatch(/"delta":"Yes".*"type":"finish"/s);
    }
  });

  it('HEAD of each stream is answered at once, with its headers alone', async () => {
    const chat = await call('POST', `${app.url}/v1/responses`, { input: 'more', background: true });
    const id = (chat.body.id as string).replace('resp_', '');
    for (const [path, type] of [
      [`/llm/generations/${id}/events`, 'text/event-stream'],
      [`/v1/responses/resp_${id}?stream=true`, 'text/event-stream'],
      [`/ai/chat/${id}/stream`, 'text/event-stream'],
      [`/ai/chat/${id}/stream?startIndex=0`, 'text/event-stream'],
    ] as const) {
      const answer = await fetch(app.url + path, { method: 'HEAD' });
      expect([answer.status, answer.headers.get('content-type')]).toEqual([
        200,
        expect.stringContaining(type),
      ]);
    }
    await until(() => upstream.calls.length > 0 && upstream.calls.length === answered);
    upstream.calls.at(-1)!.done();
  });
});
