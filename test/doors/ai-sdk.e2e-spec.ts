import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowChatTransport } from '@ai-sdk/workflow/client';
import { type ChatInit, DefaultChatTransport } from 'ai';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { call } from '../support/rest.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { asBrowser, Chat, type Message, textOf as text } from '../support/ui-chat.js';
import { until } from '../support/until.js';

const sayHello = { text: 'why is the sky blue?' };
const toolLine = (name: string) => ({
  model: 'llama3.2',
  created_at: '2026-01-02T03:04:05Z',
  message: {
    role: 'assistant',
    content: '',
    tool_calls: [{ function: { name, arguments: { city: 'Oslo' } } }],
  },
  done: false,
});

describe('useChat', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let api: string;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 8 });
    api = `${app.url}/ai/chat`;
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  const chat = (init: Partial<ChatInit<Message>> = {}): Chat =>
    new Chat({ transport: new DefaultChatTransport({ api }), ...init });

  it('shows a whole answer, with the proof of its text', async () => {
    const one = chat();
    const sent = one.sendMessage(sayHello);
    const request = await upstream.nextCall();
    expect(request.body['messages']).toEqual([{ role: 'user', content: sayHello.text }]);
    request.text('The sky').text(' is blue').done();
    await sent;
    expect(one.status).toBe('ready');
    const [, answer] = one.messages;
    expect(answer && text(answer)).toBe('The sky is blue');
    expect(answer?.metadata).toMatchObject({
      generationId: expect.stringMatching(/^[\w-]{22}$/),
      state: 'completed',
      bytes: 15,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      usage: { promptTokens: 11, completionTokens: 3 },
    });
    expect(answer?.id).toBe(answer?.metadata?.['generationId']);
  });

  it('sends what the app adds: model, system, options, a JSON Schema; and pictures', async () => {
    const schema = { type: 'object', properties: { colour: { type: 'string' } } };
    const one = chat();
    const url = 'data:image/png;base64,iVBORw0KGgoAAAAAAAAA';
    const sent = one.sendMessage(
      { ...sayHello, files: [{ type: 'file', mediaType: 'image/png', url }] },
      {
        body: {
          model: 'llama3.2',
          system: 'Be brief.',
          temperature: 0.5,
          maxOutputTokens: 50,
          stopSequences: ['\n'],
          responseFormat: { type: 'json', schema },
          somethingElse: 1,
        },
      },
    );
    const request = await upstream.nextCall();
    expect(request.body).toMatchObject({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: sayHello.text, images: ['iVBORw0KGgoAAAAAAAAA'] },
      ],
      format: schema,
      options: { temperature: 0.5, num_predict: 50, stop: ['\n'] },
    });
    request.text('{}').done();
    await sent;
  });

  it('shows thinking, calls a tool of the page, and goes on in the same message', async () => {
    const tools = [
      { name: 'weather', description: 'Now', inputSchema: { type: 'object', properties: {} } },
    ];
    const one: Chat = chat({
      transport: new DefaultChatTransport({ api, body: { tools } }),
      onToolCall: ({ toolCall }) =>
        void one.addToolOutput({
          tool: toolCall.toolName,
          toolCallId: toolCall.toolCallId,
          output: '7 degrees',
        }),
      sendAutomaticallyWhen: ({ messages }) =>
        messages.at(-1)?.parts.at(-1)?.type === 'tool-weather',
    });
    const sent = one.sendMessage(sayHello);
    const first = await upstream.nextCall();
    expect(first.body['tools']).toEqual([
      {
        type: 'function',
        function: { name: 'weather', description: 'Now', parameters: tools[0]?.inputSchema },
      },
    ]);
    const thinking = { message: { role: 'assistant', content: '', thinking: 'Hm.' }, done: false };
    first.line(thinking).text('Let me see.').line(toolLine('weather')).done();
    const second = await upstream.nextCall();
    expect(second.body['messages']).toEqual([
      { role: 'user', content: sayHello.text },
      {
        role: 'assistant',
        content: 'Let me see.',
        thinking: 'Hm.',
        tool_calls: [
          {
            id: expect.any(String),
            function: { name: 'weather', arguments: { city: 'Oslo' } },
          },
        ],
      },
      {
        role: 'tool',
        content: '7 degrees',
        tool_name: 'weather',
        tool_call_id: expect.any(String),
      },
    ]);
    second.text('It is cold.').done();
    await sent;
    await until(
      () => one.status === 'ready' && text(one.messages.at(-1) as Message).includes('cold'),
    );
    expect(one.messages).toHaveLength(2);
    expect(one.messages[1]?.parts.map(({ type }) => type)).toEqual([
      'step-start',
      'reasoning',
      'text',
      'tool-weather',
      'step-start',
      'text',
    ]);
  });

  it('resumes what goes on after a reload, from its beginning, and gets 204 where nothing does', async () => {
    const id = 'chat-to-resume';
    const one = chat({ id });
    void one.sendMessage(sayHello);
    const request = await upstream.nextCall();
    request.text('The sky');
    await until(() => one.messages.length === 2 && text(one.messages[1] as Message) === 'The sky');
    // A reload: the page knows only what it kept.
    const again = chat({ id, messages: one.messages.slice(0, 1) });
    const resumed = again.resumeStream();
    await until(() => again.messages.length === 2);
    request.text(' is blue').done();
    await resumed;
    expect(again.messages.map(text)).toEqual([sayHello.text, 'The sky is blue']);
    expect((await fetch(`${api}/${id}/stream`)).status).toBe(204);
    expect((await fetch(`${api}/nobody/stream`)).status).toBe(204);
  });

  it('keeps the parts of the first step when it is reloaded in the second', async () => {
    const id = 'chat-with-a-tool';
    const answered: Message[] = [
      { id: 'u', role: 'user', parts: [{ type: 'text', text: 'x' }] },
      {
        id: 'answer',
        role: 'assistant',
        parts: [
          { type: 'step-start' },
          { type: 'text', text: 'Let me see.' },
          {
            type: 'tool-weather',
            toolCallId: 'c1',
            state: 'output-available',
            input: { city: 'Oslo' },
            output: '7 degrees',
          },
        ],
      },
    ];
    const one = chat({ id, messages: answered });
    void one.sendMessage();
    const request = await upstream.nextCall();
    request.text('It is');
    await until(() => one.messages.map(text).join('').includes('It is'));
    const again = chat({ id, messages: answered.slice(0, 1) });
    const resumed = again.resumeStream();
    await until(() => again.messages.length === 2);
    request.text(' cold.').done();
    await resumed;
    expect(again.messages).toHaveLength(2);
    expect(again.messages[1]).toMatchObject({
      id: 'answer',
      parts: [
        { type: 'step-start' },
        { type: 'text', text: 'Let me see.' },
        { type: 'tool-weather', state: 'output-available', output: '7 degrees' },
        { type: 'step-start' },
        { type: 'text', text: 'It is cold.' },
      ],
    });
  });

  it('takes the result of a call with the id that the model server gave it, however long', async () => {
    // LiteLLM puts Gemini's signature of a thought into it.
    const toolCallId = `call_1__thought__${'A'.repeat(2000)}`;
    const one = chat({
      messages: [
        { id: 'u', role: 'user', parts: [{ type: 'text', text: 'x' }] },
        {
          id: 'answer',
          role: 'assistant',
          parts: [
            { type: 'tool-f', toolCallId, state: 'output-available', input: {}, output: 'seven' },
          ],
        },
      ],
    });
    const sent = one.sendMessage();
    const request = await upstream.nextCall();
    expect(request.body['messages']).toMatchObject([
      { role: 'user' },
      { role: 'assistant', tool_calls: [{ id: toolCallId }] },
      { role: 'tool', content: 'seven', tool_call_id: toolCallId },
    ]);
    request.done();
    await sent;
    expect(one.status).toBe('ready');
  });

  it('stop is a verified cancel, by the id of the chat or of the answer', async () => {
    for (const by of ['chat', 'answer']) {
      const id = `chat-to-stop-by-${by}`;
      const one = chat({ id });
      const sent = one.sendMessage(sayHello);
      const request = await upstream.nextCall();
      request.text('The sky');
      await until(() => one.messages.length === 2);
      const generationId = one.messages[1]?.id ?? '';
      const stopped = await call('POST', `${api}/${by === 'chat' ? id : generationId}/stop`);
      expect(stopped).toMatchObject({ status: 200, body: { generationId, state: 'cancelled' } });
      await request.closed;
      await sent;
      expect(one.messages[1]?.metadata).toMatchObject({ state: 'cancelled', reason: 'client' });
      expect((await call('POST', `${api}/${id}/stop`)).body).toMatchObject({ state: 'cancelled' });
    }
    const unknown = await fetch(`${api}/nobody/stop`, { method: 'POST' });
    expect([unknown.status, await unknown.text()]).toEqual([
      404,
      expect.stringContaining('(generation_not_found)'),
    ]);
  });

  it('does not lose what goes on when the client only closes', async () => {
    const id = 'chat-to-leave';
    const one = chat({ id });
    void one.sendMessage(sayHello);
    const request = await upstream.nextCall();
    request.text('The sky');
    await until(() => one.messages.length === 2);
    await one.stop();
    const again = chat({ id, messages: one.messages.slice(0, 1) });
    const resumed = again.resumeStream();
    await until(() => again.messages.length === 2);
    request.text(' is blue').done();
    await resumed;
    expect(again.messages.map(text)).toEqual([sayHello.text, 'The sky is blue']);
  });

  it('takes JSON without a content type of a page that may ask, and of nobody else', async () => {
    const body = JSON.stringify({
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'x' }] }],
    });
    const asked = fetch(api, {
      method: 'POST',
      body,
      headers: { origin: 'http://localhost:5173' },
    });
    (await upstream.nextCall()).text('y').done();
    const response = await asked;
    expect(response.status).toBe(200);
    expect(response.headers.get('x-vercel-ai-ui-message-stream')).toBe('v1');
    expect(response.headers.get('x-workflow-run-id')).toBe(
      response.headers.get('x-llm-cast-generation-id'),
    );
    expect((await response.text()).endsWith('data: [DONE]\n\n')).toBe(true);
    expect((await fetch(api, { method: 'POST', body })).status).toBe(415);
    const headers = { origin: 'https://evil.example' };
    expect((await fetch(api, { method: 'POST', body, headers })).status).toBe(403);
  });

  it('tells the place in the line as data where it is asked to, else in comments', async () => {
    const small = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 1 });
    try {
      const transport = (headers: Record<string, string>) =>
        new DefaultChatTransport<Message>({ api: `${small.url}/ai/chat`, headers });
      const data: unknown[] = [];
      const first = chat({ transport: transport({}) }).sendMessage(sayHello);
      const running = await upstream.nextCall();
      const waiting = chat({
        transport: transport({ 'x-llm-cast-queue': 'data' }),
        onData: (part) => void data.push(part),
      });
      const second = waiting.sendMessage(sayHello);
      await until(() => data.length > 0);
      expect(data[0]).toMatchObject({ type: 'data-queue', data: { position: 1 } });
      const third = chat({ transport: transport({}) });
      const last = third.sendMessage(sayHello);
      await until(() => third.messages.length === 2);
      running.text('x').done();
      await first;
      (await upstream.nextCall()).text('y').done();
      await second;
      expect(waiting.messages[1]?.parts.map(({ type }) => type)).toEqual(['step-start', 'text']);
      (await upstream.nextCall()).text('z').done();
      await last;
      expect(third.messages.map(text)).toEqual([sayHello.text, 'z']);
    } finally {
      await small.close();
    }
  });

  it('answers a refusal with a sentence that has our code', async () => {
    const one = chat();
    await one.sendMessage(sayHello, { body: { temperature: 'hot' } });
    expect([one.status, one.error?.message]).toEqual([
      'error',
      expect.stringMatching(/temperature.*\(invalid_request\)$/),
    ]);
    await one.sendMessage({
      text: 'x',
      files: [{ type: 'file', mediaType: 'application/pdf', url: 'https://example.com/x.pdf' }],
    });
    expect(one.error?.message).toContain('nothing is fetched');
  });

  describe('with the workflow transport', () => {
    it('goes on by itself behind what it has when the connection dies', async () => {
      let cuts = 0;
      const cutting: typeof fetch = async (url, init) => {
        const response = await asBrowser(url, init);
        if (cuts >= 3 || response.body === null) return response;
        cuts++;
        let bytes = 0;
        const cut = new TransformStream<Uint8Array, Uint8Array>({
          transform(piece, controller) {
            bytes += piece.length;
            controller.enqueue(piece);
            if (bytes > 300) controller.error(new Error('cut'));
          },
        });
        return new Response(response.body.pipeThrough(cut), response);
      };
      const one = new Chat({ transport: new WorkflowChatTransport({ api, fetch: cutting }) });
      const sent = one.sendMessage(sayHello);
      const request = await upstream.nextCall();
      let all = '';
      for (let at = 0; at < 30; at++) {
        all += ` w${at}`;
        request.text(` w${at}`);
        await sleep(10);
      }
      request.done();
      await sent;
      expect([cuts, one.status, one.messages.map(text)]).toEqual([
        3,
        'ready',
        [sayHello.text, all],
      ]);
    });

    it('resumes at every index, and from the tail', async () => {
      const asked = asBrowser(api, {
        method: 'POST',
        body: JSON.stringify({
          messages: [{ role: 'user', parts: [{ type: 'text', text: 'x' }] }],
        }),
      });
      const request = await upstream.nextCall();
      for (let at = 0; at < 10; at++) request.text(`${at}`);
      request.done();
      const whole = await asked;
      const id = whole.headers.get('x-workflow-run-id');
      const framesIn = (body: string): string[] => body.split('\n\n').slice(0, -2);
      const all = framesIn(await whole.text());
      for (let index = -all.length - 2; index < all.length; index++) {
        const part = await fetch(`${api}/${id}/stream?startIndex=${index}`);
        expect(framesIn(await part.text())).toEqual(all.slice(index));
        expect(part.headers.get('x-workflow-stream-tail-index')).toBe(String(all.length - 1));
      }
      for (const index of [all.length, all.length + 5, 'x']) {
        const refused = await fetch(`${api}/${id}/stream?startIndex=${index}`);
        expect(refused.status).toBe(400);
      }
      expect((await fetch(`${api}/${'A'.repeat(22)}/stream?startIndex=0`)).status).toBe(404);
    });

    it('ends with the error of an answer that is not whole, and asks no more', async () => {
      let asked = 0;
      const counting: typeof fetch = (url, init) => {
        asked++;
        return asBrowser(url, init);
      };
      const one = new Chat({ transport: new WorkflowChatTransport({ api, fetch: counting }) });
      const sent = one.sendMessage(sayHello);
      const request = await upstream.nextCall();
      request.text('The sky');
      await until(() => one.messages.map(text).includes('The sky'));
      request.reset();
      await sent;
      expect([asked, one.status, one.error?.message]).toEqual([
        1,
        'error',
        expect.stringContaining('(upstream_truncated)'),
      ]);
      expect(one.messages[1]?.metadata).toMatchObject({
        state: 'failed',
        code: 'upstream_truncated',
      });
    });
  });
});
