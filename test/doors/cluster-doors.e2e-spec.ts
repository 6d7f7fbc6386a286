import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { ClusterStage, untilReady } from '../support/cluster-stage.js';
import { describeIf } from '../support/needs.js';
import { ENGINES, RedisServer } from '../support/redis-server.js';
import { call } from '../support/rest.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { until } from '../support/until.js';

const [{ name, program, missing }] = ENGINES;

describeIf(program !== undefined, missing)(`doors of two nodes on ${name}`, () => {
  let redis: RedisServer;
  let upstream: ScriptedUpstream;
  let a: RunningServer;
  let b: RunningServer;
  beforeAll(async () => {
    redis = await RedisServer.start(program ?? '');
    upstream = await ScriptedUpstream.start();
    [a, b] = await Promise.all([startNode(), startNode()]);
    await untilReady(redis, 2);
  });
  afterAll(async () => {
    await Promise.all([a?.close(), b?.close()]);
    await upstream?.close();
    await redis?.close();
  });

  const startNode = (): Promise<RunningServer> =>
    startApp({
      OLLAMA_BASE_URL: upstream.url,
      REDIS_URL: redis.url,
      NODE_LEASE_MS: 1000,
      MAX_CONCURRENT: 4,
    });
  const ask = (node: RunningServer, body: object): Promise<Response> =>
    fetch(`${node.url}/ai/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const user = { role: 'user', parts: [{ type: 'text', text: 'x' }] };
  const framesIn = (said: string): string[] =>
    said.split('\n\n').filter((one) => one.startsWith('data: {'));

  it('a chat is resumed on the other node, by its name and by its index', async () => {
    const asked = ask(a, { id: 'chat', messages: [user] });
    const request = await upstream.nextCall();
    request.text('The sky');
    const first = await asked;
    const id = first.headers.get('x-workflow-run-id');
    const byName = await fetch(`${b.url}/ai/chat/chat/stream`);
    const byIndex = await fetch(`${b.url}/ai/chat/${id}/stream?startIndex=3`);
    expect([byName.status, byIndex.status]).toEqual([200, 200]);
    request.text(' is blue').done();
    const all = framesIn(await first.text());
    expect(framesIn(await byName.text())).toEqual(all);
    expect(framesIn(await byIndex.text())).toEqual(all.slice(3));
    const later = await fetch(`${b.url}/ai/chat/${id}/stream?startIndex=-2`);
    expect(framesIn(await later.text())).toEqual(all.slice(-2));
    expect((await fetch(`${b.url}/ai/chat/chat/stream`)).status).toBe(204);
  });

  it('the parts of the earlier steps are known on the other node', async () => {
    const earlier = {
      id: 'answer',
      role: 'assistant',
      parts: [
        { type: 'step-start' },
        { type: 'tool-f', toolCallId: 'c', state: 'output-available', input: {}, output: 7 },
      ],
    };
    const asked = ask(a, { id: 'steps', messages: [user, earlier] });
    const request = await upstream.nextCall();
    request.text('seven');
    await asked;
    const resumed = await fetch(`${b.url}/ai/chat/steps/stream`);
    request.done();
    const frames = framesIn(await resumed.text()).join('\n');
    expect(frames).toMatch(/"messageId":"answer"[^]*tool-output-available[^]*finish-step[^]*seven/);
  });

  it('stop on the other node stops the model', async () => {
    const asked = ask(a, { id: 'to-stop', messages: [user] });
    const request = await upstream.nextCall();
    request.text('The sky');
    const response = await asked;
    const stopped = await call('POST', `${b.url}/ai/chat/to-stop/stop`);
    expect(stopped).toMatchObject({ status: 200, body: { state: 'cancelled' } });
    await request.closed;
    expect(await response.text()).toContain('"type":"abort"');
  });

  it('an answer that is read on the other node goes on where its own client has gone', async () => {
    const abort = new AbortController();
    const asked = fetch(`${a.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'x' }], stream: true }),
      signal: abort.signal,
    });
    const request = await upstream.nextCall();
    request.text('The sky');
    const id = (await asked).headers.get('x-llm-cast-generation-id');
    const reading = await fetch(`${b.url}/llm/generations/${id}/events`);
    const records = reading.body!.pipeThrough(new TextDecoderStream()).getReader();
    let read = '';
    const readUntil = async (text: string): Promise<void> => {
      while (!read.includes(text)) {
        const { value, done } = await records.read();
        if (done) throw new Error(read);
        read += value;
      }
    };
    await readUntil('The sky');
    // Its node knows of the reader by then.
    request.text(' is');
    await readUntil(' is');
    abort.abort();
    await sleep(200);
    request.text(' blue').done();
    await readUntil('"state"');
    expect(read).toContain('"state":"completed"');
  });

  it.each([
    ['a', 'b', true],
    ['b', 'a', false],
  ])(
    'a closed connection frees the idempotency key of what it cancels (%s, then %s; streamed: %s)',
    async (first, _second, stream) => {
      const [one, other] = first === 'a' ? [a, b] : [b, a];
      const key = `closed ${first}`;
      const post = (node: RunningServer, signal?: AbortSignal): Promise<Response> =>
        fetch(`${node.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'idempotency-key': key },
          body: JSON.stringify({ messages: [{ role: 'user', content: 'x' }], stream }),
          ...(signal && { signal }),
        });
      const abort = new AbortController();
      const asked = post(one, abort.signal).catch(() => undefined);
      const request = await upstream.nextCall();
      request.text('The sky');
      if (stream) await asked;
      abort.abort();
      await request.closed;
      const again = post(other);
      const anew = await Promise.race([upstream.nextCall(), again]);
      if (anew instanceof Response) throw new Error(await anew.text());
      anew.text('The sky is blue').done();
      expect(await (await again).text()).toContain('is blue');
      // What is whole is given again.
      expect(await (await post(one)).text()).toContain('is blue');
    },
  );

  it.each([
    ['the first', true],
    ['the second', false],
  ])(
    'of two connections with one idempotency key at two nodes only the last one stops it (%s stays)',
    async (_name, staysFirst) => {
      const post = (node: RunningServer, abort: AbortController): Promise<Response> =>
        fetch(`${node.url}/v1/chat/completions`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'idempotency-key': `twice, ${staysFirst ? 'first' : 'second'}`,
          },
          body: JSON.stringify({ messages: [{ role: 'user', content: 'x' }], stream: true }),
          signal: abort.signal,
        });
      const aborts = [new AbortController(), new AbortController()] as const;
      const first = post(a, aborts[0]);
      const request = await upstream.nextCall();
      request.text('The sky');
      const responses = [await first, await post(b, aborts[1])];
      const readers = responses.map(({ body }) => body!.getReader());
      for (const reader of readers) await reader.read();
      // The other node asks the owner, behind what it has told it: now the owner knows of both readers.
      const id = responses[0]!.headers.get('x-llm-cast-generation-id');
      const beyond = await call('GET', `${b.url}/llm/generations/${id}/events?lastEventId=99`);
      expect(beyond.body).toMatchObject({ code: 'invalid_request' });
      const [stays, goes] = staysFirst ? [0, 1] : [1, 0];
      aborts[goes]!.abort();
      await sleep(200);
      expect(request.isOpen).toBe(true);
      request.text(' is');
      expect(new TextDecoder().decode((await readers[stays]!.read()).value)).toContain(' is');
      aborts[stays]!.abort();
      await request.closed;
      // Its key is new again.
      const again = post(b, new AbortController());
      const anew = await Promise.race([upstream.nextCall(), again]);
      if (anew instanceof Response) throw new Error(await anew.text());
      anew.text('blue').done();
      for (const response of [await again, await post(a, new AbortController())]) {
        expect(await response.text()).toContain('blue');
      }
    },
  );

  it('Ollama clients of both nodes stand in one line', async () => {
    const chat = { model: 'llama3.2', messages: [{ role: 'user', content: 'x' }], stream: false };
    const answers = [a, b, a, b, a].map((node) => call('POST', `${node.url}/api/chat`, chat));
    for (let at = 0; at < 5; at++) (await upstream.nextCall()).text(`${at}`).done();
    const said = (await Promise.all(answers)).map(({ body }) => body.message.content as string);
    expect(new Set(said)).toEqual(new Set(['0', '1', '2', '3', '4']));
    expect(upstream.mostOpen).toBeLessThanOrEqual(4);
  });
});

describeIf(program !== undefined, missing)(`a door whose node is lost, on ${name}`, () => {
  it('tells those who read on another node, and those who come later', async () => {
    const stage = await ClusterStage.open(program ?? '');
    try {
      const [a, b] = await stage.start(2);
      const post = (path: string, body: object): Promise<Response> =>
        fetch(`${a?.url}${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
      const messages = [{ role: 'user', parts: [{ type: 'text', text: 'x' }] }];
      const chat = post('/ai/chat', { id: 'chat', messages });
      (await stage.upstream.nextCall()).text('The sky');
      const input = { model: 'llama3.2', input: 'x', stream: true, background: true };
      const response = post('/v1/responses', input);
      (await stage.upstream.nextCall()).text('The sky');
      const id = (await response).headers.get('x-llm-cast-generation-id');
      await chat;
      const path = `${b?.url}/v1/responses/resp_${id}`;
      const readers = [`${b?.url}/ai/chat/chat/stream`, `${path}?stream=true`];
      const reading = await Promise.all(readers.map((url) => fetch(url)));
      // What was said has come to the other node.
      await until(async () => (await call('GET', path)).body.output.length > 0);
      await a?.program.kill();
      const [frames = '', events = ''] = await Promise.all(reading.map((one) => one.text()));
      expect(frames).toMatch(/The sky[^]*"code":"node_lost"[^]*"type":"error"[^]*\[DONE\]/);
      expect(events).toMatch(/The sky[^]*event: response.failed\n[^]*event: error\n.*"node_lost"/);
      expect((await call('GET', path)).body).toMatchObject({
        status: 'failed',
        error: { code: 'node_lost' },
      });
      expect((await fetch(`${b?.url}/ai/chat/chat/stream`)).status).toBe(204);
    } finally {
      await stage.close();
    }
  });
});
