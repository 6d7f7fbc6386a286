import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { until } from '../../test/support/until.js';
import {
  type Cast,
  type CastStream,
  connect,
  type ConnectOptions,
  type StreamOptions,
} from '../src/index.js';

const messages = [{ role: 'user' as const, content: 'Why is the sky blue?' }];
const UNKNOWN = 'AAAAAAAAAAAAAAAAAAAAAA';

describe('the client', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let casts: Cast[] = [];
  let cast: Cast;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_BODY_BYTES: 20_000 });
  });
  beforeEach(() => {
    cast = open();
  });
  afterEach(() => {
    for (const cast of casts) cast.close();
    casts = [];
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  const open = (options: ConnectOptions = {}): Cast => {
    const cast = connect(app.socketUrl, { restUrl: app.url, ...options });
    casts.push(cast);
    return cast;
  };
  const collect = async (stream: CastStream): Promise<string[]> => {
    const parts: string[] = [];
    for await (const part of stream) parts.push(part);
    return parts;
  };

  it.each(['chat', 'generate'] as const)('%s gives the text as it comes', async (way) => {
    const stream = way === 'chat' ? cast.chat({ messages }) : cast.generate({ prompt: 'Why?' });
    expect(stream.state).toBe('connecting');
    const request = await upstream.nextCall();
    expect(request.path).toBe(`/api/${way}`);
    const parts: string[] = [];
    const reading = (async () => {
      for await (const part of stream) parts.push(part);
    })();
    for (const [count, piece] of ['The', ' sky', ' is', ' blué 😀'].entries()) {
      request.text(piece);
      await until(() => parts.length === count + 1);
    }
    expect(stream.state).toBe('streaming');
    request.done();
    await reading;
    expect(parts).toEqual(['The', ' sky', ' is', ' blué 😀']);
    expect(stream.text).toBe('The sky is blué 😀');
    expect(stream.state).toBe('completed');
    expect(await stream.result).toMatchObject({
      generationId: stream.generationId,
      state: 'completed',
      finishReason: 'stop',
      verified: true,
    });
  });

  it('gives a second and a late loop all of the text, a slow one in larger pieces', async () => {
    const stream = cast.chat({ messages });
    const request = await upstream.nextCall();
    const early = collect(stream);
    request.text('one').text(' two');
    await until(() => stream.text === 'one two');
    const late = collect(stream);
    request.text(' three').done();
    expect((await early).join('')).toBe('one two three');
    expect((await late)[0]).toBe('one two');
    expect((await late).join('')).toBe('one two three');
    expect(await collect(stream)).toEqual(['one two three']);
  });

  it('tells each who asks of each record from then on, until it has had enough', async () => {
    const stream = cast.chat({ messages });
    const request = await upstream.nextCall();
    const heard: number[][] = [[], [], []];
    stream.onRecord(({ seq }) => heard[0]!.push(seq));
    const stop = stream.onRecord(({ seq }) => heard[1]!.push(seq));
    request.text('one');
    await until(() => stream.text === 'one');
    stop();
    cast.join(stream.generationId!).onRecord(({ seq }) => heard[2]!.push(seq));
    request.text(' two').done();
    await stream.result;
    expect(heard).toEqual([[1, 2, 3, 4], [1], [2, 3, 4]]);
  });

  it('has a clientId that REST takes, as long as it is connected', async () => {
    expect(cast.clientId).toBeUndefined();
    await until(() => cast.connected);
    const response = await fetch(`${app.url}/llm/generate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ clientId: cast.clientId, prompt: 'Why?' }),
    });
    expect(response.status).toBe(201);
    (await upstream.nextCall()).done();
    cast.close();
    expect(cast.clientId).toBeUndefined();
  });

  it('keeps thinking, tool calls and refusals apart from the text', async () => {
    const stream = cast.chat({ messages, think: true });
    const request = await upstream.nextCall();
    const call = { function: { name: 'weather', arguments: { city: 'Oslo' } } };
    const say = (said: object) =>
      request.line({
        model: 'm',
        message: { role: 'assistant', content: '', ...said },
        done: false,
      });
    say({ thinking: 'Hm' });
    say({ thinking: '.' });
    say({ tool_calls: [call] });
    request.text('So.').done();
    await stream.result;
    expect(stream).toMatchObject({ thinking: 'Hm.', text: 'So.', toolCalls: [call] });
  });

  it('says where a request stands in the line', async () => {
    const first = cast.chat({ messages });
    const request = await upstream.nextCall();
    const second = cast.chat({ messages });
    const third = cast.chat({ messages });
    await until(() => third.position === 2);
    expect(second).toMatchObject({ state: 'queued', position: 1 });
    request.done();
    const next = await upstream.nextCall();
    await until(() => third.position === 1);
    expect(second.position).toBeUndefined();
    next.text('2').done();
    (await upstream.nextCall()).text('3').done();
    await Promise.all([first.result, second.result, third.result]);
    expect([second.text, third.text]).toEqual(['2', '3']);
  });

  it('tells subscribers of each change, with one view for each moment', async () => {
    const stream = cast.chat({ messages });
    const texts: string[] = [];
    const stop = stream.subscribe(() => texts.push(stream.text));
    expect(stream.view).toBe(stream.view);
    const before = stream.view;
    const request = await upstream.nextCall();
    request.text('a');
    await until(() => texts.includes('a'));
    expect(before.text).toBe('');
    stop();
    request.text('b').done();
    await stream.result;
    expect(texts).not.toContain('ab');
  });

  it('abort is cancel: the model stops, the loop ends, and the result says so', async () => {
    const stopping = new AbortController();
    const stream = cast.chat({ messages }, { signal: stopping.signal });
    const request = await upstream.nextCall();
    const reading = collect(stream);
    request.text('so far');
    await until(() => stream.text !== '');
    stopping.abort();
    expect(stream.state).toBe('cancelling');
    await request.closed;
    expect(await stream.result).toMatchObject({ state: 'cancelled', verified: true });
    expect(await reading).toEqual(['so far']);
  });

  it('aborted before it is sent, it is never sent', async () => {
    const before = upstream.calls.length;
    const signal = AbortSignal.abort();
    const stream = cast.chat({ messages }, { signal });
    await expect(stream.result).rejects.toMatchObject({ code: 'aborted', retryable: false });
    expect(await collect(stream)).toEqual([]);
    expect(cast.connection.state).toBe('idle');
    const unsent = connect('http://127.0.0.1:1', {});
    casts.push(unsent);
    const waiting = unsent.chat({ messages });
    await expect(waiting.cancel()).rejects.toMatchObject({ code: 'aborted' });
    expect(upstream.calls).toHaveLength(before);
  });

  it('another client joins by id and reads it from the start, and cancels it by id', async () => {
    const stream = cast.chat({ messages });
    const request = await upstream.nextCall();
    request.text('The').text(' sky');
    await until(() => stream.text === 'The sky');
    const other = open();
    const joined = other.join(stream.generationId!);
    await until(() => joined.text === 'The sky');
    expect(other.join(stream.generationId!).view).toBe(joined.view);
    const ended = await open().cancel(stream.generationId!);
    expect(ended).toMatchObject({ state: 'cancelled', reason: 'client' });
    expect(await joined.result).toEqual({ ...ended, verified: true });
    expect(await stream.result).toEqual(await joined.result);
    expect(await stream.cancel()).toEqual(await joined.result);
  });

  it('leaves a stream without stopping the model', async () => {
    const stream = cast.chat({ messages, onDisconnect: 'keep' });
    const request = await upstream.nextCall();
    await until(() => stream.generationId !== undefined);
    stream.leave();
    await expect(stream.result).rejects.toMatchObject({ code: 'closed' });
    request.text('unheard').done();
    const later = cast.join(stream.generationId!);
    expect(await later.result).toMatchObject({ state: 'completed', verified: true });
    expect(later.text).toBe('unheard');
    expect(stream.text).toBe('');
  });

  it.each([
    ['who has asked', 0],
    ['who has joined', 1],
  ] as const)('left first by %s, it is read on by the other one', async (_who, at) => {
    const app = await startApp({ OLLAMA_BASE_URL: upstream.url, ABANDON_AFTER_MS: 50 });
    const cast = connect(app.socketUrl);
    const heard: number[][] = [[], []];
    const aborts = [new AbortController(), new AbortController()];
    const optionsOf = (view: number): StreamOptions => ({
      signal: aborts[view]!.signal,
      onRecord: ({ seq }) => void heard[view]!.push(seq),
    });
    try {
      const asked = cast.chat({ messages }, optionsOf(0));
      const request = await upstream.nextCall();
      await until(() => asked.generationId !== undefined);
      const joined = cast.join(asked.generationId!, optionsOf(1));
      const [left, other] = at === 0 ? [asked, joined] : [joined, asked];
      const reading = collect(left);
      request.text('The');
      await until(() => left.text === 'The');
      let changes = 0;
      left.subscribe(() => changes++);
      left.leave();
      left.leave();
      await expect(left.result).rejects.toMatchObject({ code: 'closed' });
      await expect(reading).rejects.toMatchObject({ code: 'closed' });
      // It is no more to this one than to any who has never read it.
      aborts[at]!.abort();
      await expect(left.cancel()).rejects.toMatchObject({ code: 'closed' });
      request.text(' sky');
      await until(() => other.text === 'The sky');
      expect(left.view).toMatchObject({ text: 'The', error: { code: 'closed' } });
      expect([changes, heard[at], heard[1 - at]]).toEqual([1, [1], [1, 2]]);
      expect([request.isOpen, other.view.error]).toEqual([true, undefined]);
      other.leave();
      await request.closed;
      await expect(other.result).rejects.toMatchObject({ code: 'closed' });
    } finally {
      cast.close();
      await app.close();
    }
  });

  it('left before it was accepted, it is read by nobody, and so ends', async () => {
    const app = await startApp({ OLLAMA_BASE_URL: upstream.url, ABANDON_AFTER_MS: 50 });
    const impatient = connect(app.socketUrl);
    try {
      impatient.open();
      await until(() => impatient.connected);
      impatient.chat({ messages }).leave();
      await (
        await upstream.nextCall()
      ).closed;
      expect(impatient.connected).toBe(true);
    } finally {
      impatient.close();
      await app.close();
    }
  });

  it('sendMessage reaches the other tab of the user, which hears of it once', async () => {
    const auth = { userId: 'ada' };
    const heard: string[] = [];
    const onGeneration = (id: string): void => void heard.push(id);
    const [tab, otherTab] = [open({ auth, onGeneration }), open({ auth, onGeneration })];
    tab.open();
    otherTab.open();
    await until(() => tab.connected && otherTab.connected);
    const stream = tab.sendMessage({
      user_content: 'Hi',
      system_content: 'Be kind.',
      temperature: 0.5,
    });
    const request = await upstream.nextCall();
    expect(request.body).toMatchObject({
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'Hi' },
      ],
      options: { temperature: 0.5 },
    });
    request.text('Hello');
    await until(() => heard.length > 0);
    const seen = otherTab.join(heard[0]!);
    request.text(', Ada').done();
    await Promise.all([stream.result, seen.result]);
    expect([stream.text, seen.text]).toEqual(['Hello, Ada', 'Hello, Ada']);
    expect(heard).toEqual([stream.generationId]);
    await expect(cast.sendMessage({ user_content: 'Hi' }).result).rejects.toMatchObject({
      code: 'forbidden',
    });
  });

  it.each(['<html><h1>Bad Gateway</h1>', '{"message":"no route"}', 'null'])(
    'says that nobody answers where a proxy says of its own: %s',
    async (body) => {
      const proxy = createServer((_request, response) => response.writeHead(502).end(body)).listen(
        0,
        '127.0.0.1',
      );
      await once(proxy, 'listening');
      const restUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      try {
        await expect(open({ restUrl }).models()).rejects.toMatchObject({
          code: 'unreachable',
          message: 'The server does not answer (HTTP 502).',
        });
      } finally {
        proxy.close();
      }
    },
  );

  it('lists the models', async () => {
    expect(await cast.models()).toEqual([
      expect.objectContaining({ name: 'llama3.2', upstream: expect.any(String) }),
    ]);
    await expect(connectedNowhere().models()).rejects.toMatchObject({
      name: 'CastError',
      code: 'unreachable',
      retryable: true,
    });
    await expect(open({ restUrl: `${app.url}/nowhere` }).models()).rejects.toMatchObject({
      code: 'not_found',
    });
  });
  const connectedNowhere = () => open({ restUrl: 'http://127.0.0.1:1' });

  it('throws what the model server failed with, and resolves the terminal record', async () => {
    const stream = cast.chat({ messages });
    const request = await upstream.nextCall();
    request.text('cut').end();
    await expect(collect(stream)).rejects.toMatchObject({
      name: 'CastError',
      code: 'upstream_truncated',
      retryable: false,
    });
    expect(await stream.result).toMatchObject({ state: 'failed', verified: true });
    expect(stream.text).toBe('cut');
  });

  it('throws the refusal of a request, with what is wrong with it', async () => {
    const stream = cast.chat({ messages, model: 'no\ttabs allowed' });
    await expect(collect(stream)).rejects.toMatchObject({
      code: 'invalid_request',
      details: [expect.objectContaining({ path: 'model' })],
    });
    await expect(cast.join(UNKNOWN).result).rejects.toMatchObject({ code: 'generation_not_found' });
    await expect(cast.cancel(UNKNOWN)).rejects.toMatchObject({ code: 'generation_not_found' });
  });

  it('refuses what is too large before it is sent, counted in bytes', async () => {
    const small = open({ maxRequestBytes: 20_000 });
    small.open();
    await until(() => small.connected);
    const stream = small.generate({ prompt: 'ü'.repeat(10_000) });
    await expect(stream.result).rejects.toMatchObject({ code: 'payload_too_large' });
    expect(small.connected).toBe(true);
    const fits = small.generate({ prompt: 'ü'.repeat(9_000) });
    (await upstream.nextCall()).text('ok').done();
    expect(await fits.result).toMatchObject({ verified: true });
  });

  it('gives up on a request that breaks every connection', async () => {
    const socket = { reconnectionDelay: 1, reconnectionDelayMax: 1 };
    const stream = open({ socket }).generate({ prompt: 'x'.repeat(30_000) });
    await expect(stream.result).rejects.toMatchObject({ code: 'unanswered', retryable: false });
  });

  it('is told where the server does not want it', async () => {
    const stream = open({ auth: { userId: '' } }).chat({ messages });
    await expect(stream.result).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('ends its streams when it is closed', async () => {
    const stream = cast.chat({ messages });
    const request = await upstream.nextCall();
    cast.close();
    await expect(stream.result).rejects.toMatchObject({ code: 'closed' });
    await expect(cast.chat({ messages }).result).rejects.toMatchObject({ code: 'closed' });
    request.done();
  });
});
