import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { call } from '../support/rest.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';

/** Whoever comes behind the end of an answer reads why it was cut short. */
describe('an answer that nobody read any more', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, ABANDON_AFTER_MS: 100 });
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  /** Asks, and goes when the first text is there; the model is stopped. @returns its id */
  async function abandoned(path: string, body: object): Promise<string> {
    const abort = new AbortController();
    const asked = fetch(`${app.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-llm-cast-on-disconnect': 'grace' },
      body: JSON.stringify(body),
      signal: abort.signal,
    });
    const request = await upstream.nextCall();
    request.text('The sky');
    const id = (await asked).headers.get('x-llm-cast-generation-id') ?? '';
    abort.abort();
    await request.closed;
    return id;
  }

  it('is a response that was cancelled', async () => {
    const id = await abandoned('/v1/responses', { model: 'llama3.2', input: 'x', stream: true });
    const path = `${app.url}/v1/responses/resp_${id}`;
    expect((await call('GET', path)).body).toMatchObject({
      status: 'cancelled',
      incomplete_details: { reason: 'cancelled' },
      output: [{ type: 'message', status: 'incomplete', content: [{ text: 'The sky' }] }],
    });
    const events = await (await fetch(`${path}?stream=true`)).text();
    expect(events).toMatch(/event: response.incomplete\n.*"status":"cancelled".*\n\n$/);
  });

  it('is a message of useChat that was aborted, with the reason in its metadata', async () => {
    const messages = [{ role: 'user', parts: [{ type: 'text', text: 'x' }] }];
    const id = await abandoned('/ai/chat', { id: 'chat', messages });
    const frames = await (await fetch(`${app.url}/ai/chat/${id}/stream?startIndex=0`)).text();
    expect(frames).toContain('"state":"cancelled","reason":"abandoned"');
    expect(frames).toMatch(/"type":"abort"[^]*\[DONE\]\n\n$/);
    expect((await fetch(`${app.url}/ai/chat/chat/stream`)).status).toBe(204);
  });
});
