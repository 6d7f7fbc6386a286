import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';

let upstream: ScriptedUpstream;
let app: RunningServer;
beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  app = await startApp({ OLLAMA_BASE_URL: upstream.url, DOORS: 'openai' });
});
afterAll(async () => {
  await app?.close();
  await upstream?.close();
});

const messages = [{ id: '1', role: 'user', content: 'hi', parts: [{ type: 'text', text: 'hi' }] }];

const ask = async (path: string): Promise<[status: number, text: string]> => {
  const response = await fetch(app.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages, prompt: 'hi' }),
  });
  return [response.status, await response.text()];
};

describe('a door that DOORS leaves out', () => {
  it.each([
    ['ollama', '/api/chat'],
    ['ollama', '/api/tags'],
    ['ai-sdk', '/ai/chat'],
  ])('of %s: %s is 404, with the name of the setting', async (door, path) => {
    expect(await ask(path)).toEqual([404, expect.stringContaining(`DOORS leaves out ${door}`)]);
  });

  it.each(['/API/chat', '/api/Chat', '/AI/chat', '/ai/cHat', '/API/generate'])(
    'stays closed however its address is written: %s',
    async (path) => {
      expect(await ask(path)).toEqual([404, expect.stringContaining('DOORS leaves out')]);
      expect(upstream.calls).toEqual([]);
    },
  );
});
