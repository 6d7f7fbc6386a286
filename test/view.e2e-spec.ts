import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { RunningServer } from '../src/server.js';
import type { GenerationView } from '../src/protocol/answers.js';
import { startApp } from './support/app.js';
import { call } from './support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';
import { Stage } from './support/stage.js';
import { until } from './support/until.js';

/** What JSON escapes, and what UTF-8 takes several bytes for: cut anywhere. */
const PIECE = '"\\\n\u0000\u2028é汉😀'.repeat(2_500);

describe('a generation as GET shows it', () => {
  let stage: Stage;
  let upstream: ScriptedUpstream;
  let app: RunningServer;

  beforeAll(async () => {
    stage = await Stage.open({ MAX_CONCURRENT: 8 });
    ({ upstream, app } = stage);
  });
  afterAll(() => stage?.close());

  const start = async (): Promise<{ url: string; request: UpstreamCall }> => {
    const body = { prompt: 'why is the sky blue?', onDisconnect: 'keep' };
    const { generationId } = (await call('POST', `${app.url}/llm/generate`, body)).body;
    return {
      url: `${app.url}/llm/generations/${generationId}`,
      request: await upstream.nextCall(),
    };
  };
  const view = async (url: string): Promise<GenerationView> =>
    (await fetch(url)).json() as Promise<GenerationView>;

  it('has the text to the character, whatever it is and wherever it was cut', async () => {
    const { url, request } = await start();
    for (let at = 0; at < 4; at++) request.text(PIECE);
    request.done();
    await until(async () => (await view(url)).state === 'completed');
    const { text, thinking, bytes } = (await view(url)) as GenerationView & { bytes: number };
    expect(text === PIECE.repeat(4)).toBe(true);
    expect(thinking).toBe('');
    expect(bytes).toBe(Buffer.byteLength(text));
  });

  it('has what the model said as it refused, where it did', async () => {
    const { url, request } = await start();
    request.text('Well').done();
    await until(async () => (await view(url)).state === 'completed');
    expect(await view(url)).not.toHaveProperty('refusal');

    const server = await ScriptedUpstream.start();
    const env = { OLLAMA_BASE_URL: '', OPENAI_BASE_URL: server.url, OPENAI_MODEL: 'gpt' };
    const other = await startApp(env);
    try {
      const asked = { prompt: 'x', onDisconnect: 'keep' };
      const { generationId } = (await call('POST', `${other.url}/llm/generate`, asked)).body;
      const refusing = { choices: [{ delta: { refusal: 'I "cannot".' } }] };
      const last = { choices: [{ delta: {}, finish_reason: 'stop' }] };
      const frames = [refusing, last].map((frame) => `data: ${JSON.stringify(frame)}\n\n`);
      let request = await server.nextCall();
      // Its models may be asked for before.
      while (request.body['messages'] === undefined) request = await server.nextCall();
      request
        .head(200, { 'content-type': 'text/event-stream' })
        .end(`${frames.join('')}data: [DONE]\n\n`);
      const refused = `${other.url}/llm/generations/${generationId}`;
      await until(async () => (await view(refused)).state === 'completed');
      expect(await view(refused)).toMatchObject({ text: '', refusal: 'I "cannot".' });
    } finally {
      await other.close();
      await server.close();
    }
  });

  it('is that of one moment, however slowly it is read and however the answer grows', async () => {
    const { url, request } = await start();
    // More than a connection takes at once.
    const half = 8_000_000;
    const write = async (chars: number): Promise<GenerationView> => {
      for (let at = 0; at < 16; at++) request.text('x'.repeat(half / 16));
      let now: GenerationView;
      await until(async () => (now = await view(url)).text.length === chars);
      return now!;
    };
    const before = await write(half);
    const [response] = (await once(get(url), 'response')) as [IncomingMessage];
    const after = await write(2 * half);
    const early = JSON.parse(await text(response)) as GenerationView;
    expect(early).toEqual({ ...before, timings: early.timings });
    expect(after.seq).toBeGreaterThan(before.seq);
    request.done();
  });

  it.each(['', '/events'])('HEAD of it%s answers at once, while it runs too', async (path) => {
    const { url, request } = await start();
    request.text('The');
    const running = await fetch(url + path, { method: 'HEAD' });
    request.done();
    await until(async () => (await view(url)).state === 'completed');
    const ended = await fetch(url + path, { method: 'HEAD' });
    for (const answer of [running, ended]) {
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toMatch(path ? /^text\/event-stream/ : /json/);
      expect(await answer.text()).toBe('');
    }
  });
});
