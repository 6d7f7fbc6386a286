import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

/** The ends of what OpenAI's API, vLLM and Ollama take, the first beyond 32 bits, and the usual. */
const SEEDS = ['-9223372036854775808', '9223372036854775807', '2147483648', '7', '-1'];
/** What none of them takes. */
const WRONG = ['9223372036854775808', '1e20', '1e999', '1.5', '"7"', '[9223372036854775807]'];
const CHAT = '"messages":[{"role":"user","content":"hi"}]';
const UI = '"messages":[{"id":"m1","role":"user","parts":[{"type":"text","text":"hi"}]}]';

/** A body of each door that has seeds. */
const DOORS: [string, (seed: string) => string][] = [
  ['/llm/generate', (seed) => `{"prompt":"hi","onDisconnect":"keep","options":{"seed":${seed}}}`],
  ['/llm/chat', (seed) => `{${CHAT},"onDisconnect":"keep","options":{"seed":${seed}}}`],
  ['/v1/chat/completions', (seed) => `{"model":"llama3.2",${CHAT},"stream":true,"seed":${seed}}`],
  ['/api/chat', (seed) => `{"model":"llama3.2",${CHAT},"options":{"seed":${seed}}}`],
  ['/ai/chat', (seed) => `{"id":"c1",${UI},"seed":${seed}}`],
];

describe.each(DOORS)('a seed at %s', (path, bodyWith) => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, LIMIT_STARTS_PER_MINUTE: 0 });
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });
  const ask = (seed: string): Promise<Response> =>
    fetch(app.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: bodyWith(seed),
    });

  it.each(SEEDS)('goes to the model with all its digits: %s', async (seed) => {
    const asked = ask(seed);
    const call = await upstream.nextCall();
    expect(call.raw).toMatch(new RegExp(`"seed":${seed}[,}]`));
    call.text('Hi').done();
    const answer = await asked;
    expect(answer.ok).toBe(true);
    await answer.text();
  });

  it.each(WRONG)('is refused by its name, in plain words: %s', async (seed) => {
    const answer = await ask(seed);
    const said = await answer.text();
    expect([answer.status, said]).toEqual([400, expect.stringMatching(/\bseed\b/)]);
    expect(said).not.toContain('ExactNumber');
    expect(upstream.open).toBe(0);
  });
});
