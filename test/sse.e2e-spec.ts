import { spawn } from 'node:child_process';
import { EventSource } from 'eventsource';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { type Client, textOf } from './support/client.js';
import { FaultProxy } from './support/fault-proxy.js';
import { Oracle } from './support/oracle.js';
import { call } from './support/rest.js';
import { SseReader } from './support/resuming-client.js';
import type { ScriptedUpstream, UpstreamCall } from './support/scripted-upstream.js';
import { Stage } from './support/stage.js';
import type { StreamRecord } from '../src/protocol/records.js';

const UNKNOWN = 'AAAAAAAAAAAAAAAAAAAAAA';

describe('Server-Sent Events', () => {
  let stage: Stage;
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let client: Client;

  beforeAll(async () => {
    stage = await Stage.open({ MAX_CONCURRENT: 8 });
    ({ upstream, app } = stage);
    client = await stage.connect();
  });
  afterAll(() => stage?.close());

  /** Starts one that nobody reads yet. */
  const start = async (): Promise<{ id: string; request: UpstreamCall }> => {
    const { status, body } = await call('POST', `${app.url}/llm/generate`, {
      prompt: 'why is the sky blue?',
      onDisconnect: 'keep',
    });
    expect(status).toBe(201);
    return { id: body.generationId, request: await upstream.nextCall() };
  };
  const finished = async (...pieces: string[]): Promise<string> => {
    const { id, request } = await start();
    const reader = await SseReader.open(app.url, id);
    for (const piece of pieces) request.text(piece);
    request.done();
    await reader.over;
    return id;
  };
  const eventsOf = (id: string, lastEventId: string) =>
    fetch(`${app.url}/llm/generations/${id}/events`, { headers: { 'Last-Event-ID': lastEventId } });

  it('carries each record under its seq, live, without event names, and ends after the last', async () => {
    const { id, request } = await start();
    const reader = await SseReader.open(app.url, id);
    expect(reader.response.statusCode).toBe(200);
    expect(reader.response.headers).toMatchObject({
      'content-type': expect.stringMatching(/^text\/event-stream/),
      'cache-control': expect.stringContaining('no-cache'),
      'x-accel-buffering': 'no',
    });
    const pieces = ['The', ' blué\n\ndata: ', ' 😀\r\nid: 9'];
    for (const [at, piece] of pieces.entries()) {
      request.text(piece);
      await client.until(() => reader.records.length === at + 1);
    }
    request.done();
    expect(await reader.over).toBe(true);
    expect(reader.ids).toEqual(['1', '2', '3', '4', '5']);
    expect(reader.records.map(({ seq }) => String(seq))).toEqual(reader.ids);
    expect(reader.events).toEqual([]);
    expect(reader.records.map(textOf)).toEqual([...pieces, '', '']);
    // The same records as on a socket.
    await client.ask('join', { generationId: id, after: 3 });
    await client.ended(id);
    expect(reader.records.slice(3)).toEqual(client.of(id));
  });

  it('goes on behind Last-Event-ID', async () => {
    const id = await finished('The', ' sky', ' is');
    for (const [after, text] of ['The sky is', ' sky is', ' is', '', ''].entries()) {
      const reader = await SseReader.open(app.url, id, after);
      expect(await reader.over).toBe(true);
      expect(reader.records.map(textOf).join('')).toBe(text);
      expect(reader.ids.at(-1)).toBe('5');
    }
    const reader = await SseReader.open(app.url, id, '');
    await reader.over;
    expect(reader.records.map(textOf).join('')).toBe('The sky is');
  });

  it('answers 204 to a Last-Event-ID that is the end', async () => {
    const id = await finished('The', ' sky', ' is');
    const response = await eventsOf(id, '5');
    expect([response.status, await response.text()]).toEqual([204, '']);
  });

  const NOT_THERE = ['-1', '1.5', 'one', '0x1', '1 2', '999999'];
  const refuses = async (id: string, last: string): Promise<void> => {
    for (const response of [
      await eventsOf(id, last),
      await fetch(
        `${app.url}/llm/generations/${id}/events?lastEventId=${encodeURIComponent(last)}`,
      ),
    ]) {
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ statusCode: 400, code: 'invalid_request' });
    }
  };

  it.each(['2', ...NOT_THERE])(
    'refuses Last-Event-ID %p while there is one record',
    async (last) => {
      const { id, request } = await start();
      const reader = await SseReader.open(app.url, id);
      request.text('The');
      await client.until(() => reader.records.length === 1);
      await refuses(id, last);
      request.done();
      await reader.over;
    },
  );

  it.each(['6', ...NOT_THERE])(
    'refuses Last-Event-ID %p after the end, which is 5',
    async (last) => {
      await refuses(await finished('The', ' sky', ' is'), last);
    },
  );

  it('takes lastEventId of the query, as a polyfill sends it; the header is newer', async () => {
    const id = await finished('The', ' sky', ' is');
    const textBehind = async (query: string, headers: Record<string, string> = {}) => {
      const answer = await fetch(`${app.url}/llm/generations/${id}/events?${query}`, { headers });
      const events = [...(await answer.text()).matchAll(/^data: (.*)$/gm)];
      return events.map(([, data = '']) => textOf(JSON.parse(data) as StreamRecord)).join('');
    };
    expect(await textBehind('lastEventId=')).toBe('The sky is');
    expect(await textBehind('lastEventId=1')).toBe(' sky is');
    expect(await textBehind('lastEventId=1', { 'Last-Event-ID': '2' })).toBe(' is');
    expect(await textBehind('lastEventId=2', { 'Last-Event-ID': '' })).toBe(' is');
    const twice = await fetch(
      `${app.url}/llm/generations/${id}/events?lastEventId=1&lastEventId=2`,
    );
    expect(twice.status).toBe(400);
  });

  it('of a generation that there is not is generation_not_found', async () => {
    expect(await call('GET', `${app.url}/llm/generations/${UNKNOWN}/events`)).toMatchObject({
      status: 404,
      body: { statusCode: 404, code: 'generation_not_found' },
    });
  });

  it('needs a POST without clientId to say that it is to be kept', async () => {
    const calls = upstream.calls.length;
    for (const more of [{}, { onDisconnect: 'cancel' }]) {
      const { status, body } = await call('POST', `${app.url}/llm/generate`, {
        prompt: 'x',
        ...more,
      });
      expect([status, body.code]).toEqual([400, 'invalid_request']);
    }
    expect(upstream.calls).toHaveLength(calls);
  });

  it("serves the browser's EventSource, which comes back after a cut and stops after the end", async () => {
    const proxy = await FaultProxy.start(Number(new URL(app.url).port));
    const oracle = new Oracle();
    const reader = oracle.reader();
    const asked: string[] = [];
    const statuses: number[] = [];
    const { id, request } = await start();
    const source = new EventSource(`${proxy.url}/llm/generations/${id}/events`, {
      fetch: async (url, init) => {
        asked.push(init?.headers['Last-Event-ID'] ?? 'none');
        const response = await fetch(url, init);
        statuses.push(response.status);
        return response;
      },
    });
    try {
      source.addEventListener('message', ({ data }) => {
        reader.receive(JSON.parse(data as string) as StreamRecord);
      });
      const say = async (piece: string): Promise<void> => {
        const { last } = reader;
        oracle.sent('text', piece);
        request.text(piece);
        await client.until(() => reader.last > last);
      };
      await say('The');
      await say(' sky');
      proxy.cut();
      await say(' is');
      request.done();
      // Its own pause before it connects again is 3 s.
      await client.until(() => source.readyState === source.CLOSED);
    } finally {
      source.close();
      await proxy.close();
    }
    expect(oracle.problems()).toEqual([]);
    expect(reader.terminals).toHaveLength(1);
    expect(asked).toEqual(['none', '2', '5']);
    expect(statuses).toEqual([200, 200, 204]);
  });

  it('of an answer larger than SOCKET_BUFFER_BYTES is whole, however small those are', async () => {
    const small = await startApp({ OLLAMA_BASE_URL: upstream.url, SOCKET_BUFFER_BYTES: 1024 });
    try {
      const { body } = await call('POST', `${small.url}/llm/generate`, {
        prompt: 'x',
        onDisconnect: 'keep',
      });
      const text = 'The sky is blue. '.repeat(300);
      (await upstream.nextCall()).text(text).done();
      await client.until(() => upstream.open === 0);
      const reader = await SseReader.open(small.url, body.generationId);
      await client.until(() => reader.records.some((record) => 'state' in record));
      expect(reader.records.map(textOf).join('')).toBe(text);
    } finally {
      await small.close();
    }
  });

  it('serves curl -N', async () => {
    const { id, request } = await start();
    let out = '';
    const curl = spawn('curl', ['-sSN', `${app.url}/llm/generations/${id}/events`]);
    const exited = new Promise<number | null>((resolve, reject) => {
      curl.once('close', resolve).once('error', reject);
    });
    curl.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()));
    request.text('The sky');
    await Promise.race([client.until(() => out.includes('The sky')), exited]);
    expect(out).toMatch(/^id: 1\ndata: \{.*"response":"The sky".*\}\n\n$/);
    request.done();
    expect(await exited).toBe(0);
    expect(out).toMatch(/\nid: 3\ndata: \{.*"state":"completed".*\}\n\n$/);
  });
});
