import { jest } from '@jest/globals';
import type { TerminalRecord } from '../src/protocol/terminal-record.js';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { call } from './support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';

const PROMPT = 'Dear diary, the zebra of Antwerp ate "forty plums" again.\nNobody saw it happen.';
const ANSWER = 'That stays between us two, said the gardener to the zebra.';
const KEY = 'abcdefgh12345678';
const PASSWORD = 'hunter2secret';
const ADDRESS = '10.11.12.13';
const PATH = '/usr/share/ollama';
/** Shorter quotations than this are no quotations to the log. */
const LOGGED_RUN = 12;

describe('what llm-cast writes and sends', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let client: Client;
  let written = '';

  beforeAll(async () => {
    for (const stream of [process.stdout, process.stderr]) {
      jest.spyOn(stream, 'write').mockImplementation((bytes: string | Uint8Array) => {
        written += String(bytes);
        return true;
      });
    }
    upstream = await ScriptedUpstream.start();
    app = await startApp({
      OLLAMA_BASE_URL: upstream.url.replace('//', `//me:${PASSWORD}@`),
      LOG_LEVEL: 'verbose',
      LOG_FORMAT: 'json',
    });
    client = await Client.connect(app.socketUrl);
  });
  afterAll(async () => {
    client?.close();
    await app?.close();
    await upstream?.close();
    jest.restoreAllMocks();
  });
  beforeEach(() => {
    written = '';
    client.log.length = 0;
  });

  /** Every run of so many characters: less than the whole may be read as well. */
  const runs = (text: string, length: number): string[] =>
    Array.from({ length: text.length - length + 1 }, (_, at) => text.slice(at, at + length));
  const TEXTS = [...runs(PROMPT, LOGGED_RUN), ...runs(ANSWER, LOGGED_RUN)];
  function expectSecret(where: string, secrets: string[]): void {
    expect(secrets.filter((secret) => where.includes(secret))).toEqual([]);
  }
  const expectSilent = (answer?: unknown): void => {
    expectSecret(written, [...TEXTS, KEY, PASSWORD]);
    const sent = JSON.stringify([client.log, answer]);
    expectSecret(sent, [...runs(PROMPT, 8), KEY, PASSWORD, ADDRESS, PATH]);
  };

  /** One generation from the request to its end. */
  async function run(
    event: 'generate' | 'chat',
    request: object,
    script: (call: UpstreamCall) => void,
  ): Promise<TerminalRecord> {
    let answered = upstream.calls.length;
    const answer = await client.accepted(event, request);
    await client.until(() => {
      // What may be tried again is, so there may be several.
      for (const asked of upstream.calls.slice(answered)) {
        answered++;
        script(asked);
      }
      return client.of(answer.generationId).some((record) => 'state' in record);
    });
    expect(written).toContain(answer.generationId);
    return client.ended(answer.generationId);
  }

  it('says that a generation succeeded, and nothing of its text', async () => {
    await run('generate', { prompt: PROMPT, system: PROMPT }, (request) => {
      expect(request.headers.authorization).toMatch(/^Basic /);
      request.text(ANSWER).done();
    });
    expect(written).toContain('"completed"');
    expectSecret(written, [...TEXTS, PASSWORD]);
  });

  const echo = `prompt was: ${PROMPT}; key sk-${KEY}; at http://me:${KEY}@${ADDRESS}${PATH}`;
  it.each<[string, (request: UpstreamCall) => void]>([
    ['in a refusal', (request) => request.json(400, { error: echo })],
    ['in a failure', (request) => request.json(500, { error: echo })],
    ['in an object', (request) => request.json(502, { error: { message: echo } })],
    ['in a page', (request) => request.head(502, { 'content-type': 'text/html' }).end(echo)],
    ['in a line of the stream', (request) => request.line({ error: echo }).end()],
    ['in an object in the stream', (request) => request.line({ error: { message: echo } }).end()],
    ['in what is no JSON', (request) => request.end(`${echo}\n`)],
    ['escaped', (request) => request.json(400, { error: `bad body ${JSON.stringify(echo)}` })],
    ['behind much else', (request) => request.json(500, { error: 'x'.repeat(255) + echo })],
  ])('keeps the prompt and keys to itself where the upstream echoes them %s', async (_, script) => {
    const terminal = await run('generate', { prompt: PROMPT }, script);
    expect(terminal.state).toBe('failed');
    expect(written).toContain('"failed"');
    expectSilent();
  });

  it('keeps the answer to itself where the upstream fails over it', async () => {
    const terminal = await run('generate', { prompt: 'x' }, (request) => {
      request.text(ANSWER);
      request.line({ error: `error parsing tool call: raw='${ANSWER}'` }).end();
    });
    expect(terminal.state).toBe('failed');
    expectSecret(written, TEXTS);
  });

  const asTool = { type: 'function', function: { name: 'f', description: PROMPT } };
  const asCall = { function: { name: 'f', arguments: { note: PROMPT } } };
  const withMessage = (message: object): object => ({ messages: [{ role: 'user', ...message }] });
  it.each<[string, object]>([
    ['a message', withMessage({ content: PROMPT })],
    ['thinking', withMessage({ role: 'assistant', content: '', thinking: PROMPT })],
    ['a tool call', withMessage({ role: 'assistant', content: '', tool_calls: [asCall] })],
    ['a tool', { messages: [], tools: [asTool] }],
    ['a stop sequence', { messages: [], options: { stop: [PROMPT] } }],
    ['a schema', { messages: [], format: { description: PROMPT } }],
  ])('keeps %s of a chat to itself', async (_what, request) => {
    await run('chat', request, (asked) => asked.json(400, { error: `invalid: ${PROMPT}` }));
    expect(written).toContain('upstream_rejected');
    expectSilent();
  });

  it.each<[string, string, string]>([
    ['broken JSON', '/llm/generate', `{"prompt":${JSON.stringify(PROMPT)}`],
    ['bare text', '/llm/generate', PROMPT],
    ['a wrong type', '/llm/chat', JSON.stringify({ messages: PROMPT })],
    ['an unknown field', '/llm/generate', JSON.stringify({ prompt: PROMPT, key: `sk-${KEY}` })],
    ['an unknown client', '/llm/generate', JSON.stringify({ prompt: PROMPT, clientId: 'x' })],
    ['an unknown path', `/llm/${encodeURIComponent(PROMPT)}`, '{}'],
  ])('keeps the prompt to itself in a bad request: %s', async (_why, path, body) => {
    const answer = await fetch(app.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
      body,
    });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expectSilent(await answer.json());
    expectSecret(written, runs(PROMPT, 8));
  });

  it('keeps the prompt to itself in a bad socket request', async () => {
    await client.ask('generate', PROMPT);
    await client.ask('chat', { messages: [{ role: PROMPT, content: PROMPT }] });
    await client.ask('cancel', { generationId: PROMPT });
    client.socket.emit('generate', { prompt: [PROMPT] });
    await client.until(() => client.log.some(({ event }) => event === 'exception'));
    expectSilent();
    expectSecret(written, runs(PROMPT, 8));
  });

  it('tells the operator what the upstream said', async () => {
    await run('generate', { prompt: PROMPT }, (request) =>
      request.json(500, { error: `llama runner process has terminated in ${PATH}: exit status 2` }),
    );
    expect(written).toContain(`llama runner process has terminated in ${PATH}: exit status 2`);
  });

  it('keeps the key of an OpenAI-compatible upstream to itself, whatever it looks like', async () => {
    const other = await ScriptedUpstream.start();
    const server = await startApp({
      OLLAMA_BASE_URL: '',
      OPENAI_BASE_URL: other.url,
      OPENAI_MODEL: 'm',
      OPENAI_API_KEY: PASSWORD,
      LOG_LEVEL: 'verbose',
    });
    const user = await Client.connect(server.socketUrl);
    const answer = await user.ask('chat', { messages: [{ role: 'user', content: PROMPT }] });
    let answered = 0;
    await user.until(() => {
      for (const asked of other.calls.slice(answered)) {
        answered++;
        expect(asked.headers.authorization).toBe(`Bearer ${PASSWORD}`);
        asked.json(401, { error: { message: `Incorrect API key provided: ${PASSWORD}.` } });
      }
      return user.records.length > 0;
    });
    user.close();
    await server.close();
    await other.close();
    expect(written).toContain('Incorrect API key provided');
    expectSilent([answer, user.log]);
  });

  it('tells the operator where it listens, without the password of the upstream', async () => {
    const other = await startApp({
      OLLAMA_BASE_URL: `http://me:${PASSWORD}@127.0.0.1:1`,
      LOG_LEVEL: 'verbose',
    });
    const version = await call('GET', `${other.url}/llm/version`);
    await other.close();
    expect(version.status).toBe(503);
    expect(written).toContain(other.url);
    expectSilent(version.body);
  });
});
