import OpenAI from 'openai';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';

const messages = [{ role: 'user' as const, content: 'why is the sky blue?' }];

describe('the OpenAI SDK', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let client: OpenAI;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 8 });
    client = new OpenAI({ baseURL: `${app.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  it('streams a chat completion', async () => {
    const asked = client.chat.completions.create({ model: 'llama3.2', messages, stream: true });
    const call = await upstream.nextCall();
    call.text('The sky').text(' is blue').done();
    let text = '';
    let finish: string | null = null;
    for await (const { choices } of await asked) {
      text += choices[0]?.delta.content ?? '';
      finish = choices[0]?.finish_reason ?? finish;
    }
    expect([text, finish]).toEqual(['The sky is blue', 'stop']);
    expect(call.body).toMatchObject({ model: 'llama3.2', messages });
  });

  it('gets a chat completion in one answer', async () => {
    const asked = client.chat.completions.create({ model: 'llama3.2', messages });
    (await upstream.nextCall()).text('The sky').text(' is blue').done();
    expect(await asked).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { role: 'assistant', content: 'The sky is blue' } }],
      usage: { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 },
    });
  });
});
