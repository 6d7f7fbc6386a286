import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { createParser } from 'eventsource-parser';
import { call } from './support/rest.js';
import { Stage } from './support/stage.js';
import { until } from './support/until.js';

const run = promisify(execFile);
const messages = [{ role: 'user', content: 'Why is the sky blue?' }];
const protocol = readFileSync(new URL('../docs/protocol.md', import.meta.url), 'utf8');

interface Event {
  id: string | undefined;
  record: Record<string, unknown>;
}

describe('a POST that takes its answer as text/event-stream', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await Stage.open({ ABANDON_AFTER_MS: 100 });
  });
  afterEach(() => stage.close());

  /** Its response, and the events so far. */
  const post = async (path: string, body: object, headers = {}, signal?: AbortSignal) => {
    const response = await fetch(stage.app.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });
    const events: Event[] = [];
    const parser = createParser({
      onEvent: ({ id, data }) => events.push({ id, record: JSON.parse(data) }),
    });
    const ended = (async () => {
      const decoder = new TextDecoder();
      for await (const bytes of response.body!)
        parser.feed(decoder.decode(bytes, { stream: true }));
    })().catch(() => undefined);
    return { response, events, ended };
  };

  it.each([
    ['/llm/chat', { messages }],
    ['/llm/generate', { prompt: 'Why is the sky blue?' }],
  ])('%s streams its records as they come, to the terminal one', async (path, body) => {
    const { response, events, ended } = await post(path, body);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const request = await stage.upstream.nextCall();
    request.text('Because');
    await until(() => events.length === 1);
    expect(events[0]).toMatchObject({ id: '1', record: { seq: 1, done: false } });
    const { generationId } = events[0]!.record;
    expect(response.headers.get('location')).toBe(`/llm/generations/${String(generationId)}`);
    request.done();
    await ended;
    expect(events.at(-1)?.record).toMatchObject({ state: 'completed', seq: 3 });
  });

  it('is refused in JSON, as it always is', async () => {
    const response = await fetch(`${stage.app.url}/llm/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: '{"messages":"none"}',
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'invalid_request' });
  });

  it('that is not such a one still needs a reader', async () => {
    for (const accept of ['application/json', '*/*', 'application/json, text/event-stream']) {
      const headers = { accept, 'content-type': 'application/json' };
      const response = await fetch(`${stage.app.url}/llm/chat`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ messages }),
      });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        details: [{ path: 'clientId', message: expect.stringContaining('text/event-stream') }],
      });
    }
    expect(stage.upstream.calls).toEqual([]);
  });

  it('is a reader like others: gone, the answer is abandoned; asked again, it is the same one', async () => {
    const leaving = new AbortController();
    const headers = { 'idempotency-key': 'one' };
    const first = await post('/llm/chat', { messages }, headers, leaving.signal);
    const request = await stage.upstream.nextCall();
    request.text('Be');
    await until(() => first.events.length === 1);
    const again = await post('/llm/chat', { messages }, headers);
    leaving.abort();
    request.text('cause');
    await until(() => again.events.length > 1);
    expect(again.events.map(({ record }) => record['generationId'])).toEqual(
      again.events.map(() => first.events[0]!.record['generationId']),
    );
    expect(request.isOpen).toBe(true);
    request.done();
    await again.ended;

    const alone = new AbortController();
    const third = await post('/llm/chat', { messages }, {}, alone.signal);
    const abandoned = await stage.upstream.nextCall();
    abandoned.text('Be');
    await until(() => third.events.length === 1);
    alone.abort();
    await abandoned.closed;
  });

  it('goes to a client that is named as well', async () => {
    const client = await stage.connect();
    const { events, ended } = await post('/llm/chat', { messages, clientId: client.id });
    (await stage.upstream.nextCall()).text('Because').done();
    await ended;
    const id = String(events[0]?.record['generationId']);
    expect(await client.ended(id)).toMatchObject({ state: 'completed' });
    const { body } = await call('GET', `${stage.app.url}/llm/generations/${id}`);
    expect(body.text).toBe('Because');
  });

  it.each([
    ['sh', 'sh', ['-c']],
    ['python', 'python3', ['-c']],
  ])('works as docs/protocol.md shows it for %s', async (language, program, args) => {
    const section = protocol.slice(protocol.indexOf('### In one request'));
    const [, code] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(section)!;
    const here = code!.replaceAll('http://localhost:3000', stage.app.url);
    const running = run(program, [...args, here]);
    const request = await stage.upstream.nextCall();
    expect(request.body['messages']).toEqual(messages);
    request.text('Because').text(' of Rayleigh.').done();
    const { stdout } = await running;
    if (language === 'python') expect(stdout).toBe('Because of Rayleigh.\n');
    else expect(stdout).toMatch(/^id: 1\ndata: .*"Because/);
  });
});
