import { createOpenAI } from '@ai-sdk/openai';
import { generateText, isStepCount, jsonSchema, streamText, tool } from 'ai';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';

let upstream: ScriptedUpstream;
let app: RunningServer;
beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  app = await startApp({ OLLAMA_BASE_URL: upstream.url });
});
afterAll(async () => {
  await app?.close();
  await upstream?.close();
});

const CALL = { id: 'call_1', function: { name: 'weather', arguments: { city: 'Oslo' } } };
const weather = tool({
  inputSchema: jsonSchema<{ city: string }>({
    type: 'object',
    properties: { city: { type: 'string' } },
  }),
  execute: ({ city }) => Promise.resolve(`cold in ${city}`),
});

/** With its usual model the provider names what was said before by the ids of the items. */
describe.each(['responses', 'chat'] as const)(
  'the OpenAI provider of the AI SDK, over %s',
  (api) => {
    const asking = () => ({
      model: createOpenAI({ baseURL: `${app.url}/v1`, apiKey: 'none' })[api]('llama3.2'),
      tools: { weather },
      stopWhen: isStepCount(2),
      maxRetries: 0,
    });

    it('runs a tool and goes on with what it said', async () => {
      const answer = streamText({ ...asking(), prompt: 'weather in Oslo?' });
      const text = answer.text;
      void answer.consumeStream();
      const first = await upstream.nextCall();
      const piece = (more: object) =>
        first.line({ message: { role: 'assistant', content: '', ...more }, done: false });
      piece({ thinking: 'hm' });
      piece({ content: 'Wait.' });
      piece({ tool_calls: [CALL] });
      first.done();
      const second = await upstream.nextCall();
      second.text('cold').done();
      expect(await text).toBe('cold');
      expect(second.body['messages']).toMatchObject([
        { role: 'user', content: 'weather in Oslo?' },
        { role: 'assistant', content: 'Wait.', tool_calls: [CALL] },
        { role: 'tool', content: 'cold in Oslo', tool_name: 'weather' },
      ]);
    });

    it('goes on with a conversation', async () => {
      const user = (content: string) => ({ role: 'user' as const, content });
      const before = generateText({ ...asking(), messages: [user('why?')] });
      (await upstream.nextCall()).text('because').done();
      const { response } = await before;
      const messages = [user('why?'), ...response.messages, user('really?')];
      const after = generateText({ ...asking(), messages });
      const call = await upstream.nextCall();
      call.text('yes').done();
      expect((await after).text).toBe('yes');
      expect(call.body['messages']).toEqual([
        user('why?'),
        { role: 'assistant', content: 'because' },
        user('really?'),
      ]);
    });
  },
);
