import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { OtlpReceiver, type ReceivedSpan } from './support/otlp-receiver.js';
import { Program } from './support/program.js';
import { call as ask } from './support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';
import { until } from './support/until.js';

/** A trace of whoever asks, and the span in it from which it asks. */
const CALLER = '00f067aa0ba902b7';
const traceOf = (digit: number): string => digit.toString(16).repeat(32);
const traceparent = (digit: number): string => `00-${traceOf(digit)}-${CALLER}-01`;

const SERVER = 2;
const CLIENT = 3;

describe('traces that are delivered', () => {
  it('cost no line of the log: not those of a second try, nor of one that never had a slot', async () => {
    const receiver = await OtlpReceiver.start();
    const upstream = await ScriptedUpstream.start();
    const server = Program.server({
      OLLAMA_BASE_URL: upstream.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    });
    try {
      const { socketUrl } = await server.listening();
      const client = await Client.connect(socketUrl);
      const { generationId } = await client.accepted('generate', { prompt: 'why?' });
      (await upstream.nextCall()).json(500, { error: 'no luck' });
      const second = await upstream.nextCall();
      const waiting = await client.accepted('generate', { prompt: 'me too' });
      await client.accepted('cancel', { generationId: waiting.generationId });
      second.text('The sky').done();
      await client.ended(generationId);
      client.close();
      server.child.kill('SIGTERM');
      expect(await server.exited).toBe(0);
      expect(receiver.spans.length).toBeGreaterThan(4);
      expect(server.stdout).toContain('generation ended');
      expect(server.stdout + server.stderr).not.toContain('spans are not delivered');
    } finally {
      await server.kill();
      await upstream.close();
      await receiver.close();
    }
  });
});

describe('a server whose operator knows OpenTelemetry', () => {
  /** The receiver gets the trace of one answer; then the server ends. @returns its log */
  const answered = async (receiver: OtlpReceiver, env: Record<string, string>): Promise<string> => {
    const upstream = await ScriptedUpstream.start();
    const server = Program.server({ OLLAMA_BASE_URL: upstream.url, ...env });
    try {
      const { socketUrl } = await server.listening();
      const client = await Client.connect(socketUrl);
      const { generationId } = await client.accepted('generate', { prompt: 'why?' });
      (await upstream.nextCall()).text('The sky').done();
      await client.ended(generationId);
      client.close();
      await until(() => receiver.spans.some(({ name }) => name === 'attempt 1'));
      server.child.kill('SIGTERM');
      expect(await server.exited).toBe(0);
      return server.stdout + server.stderr;
    } finally {
      await server.kill();
      await upstream.close();
    }
  };

  it('gives the spans to the SDK that he has loaded, and says nothing against it', async () => {
    const [own, other] = [await OtlpReceiver.start(), await OtlpReceiver.start()];
    const sdk = new URL('support/own-sdk.mjs', import.meta.url);
    try {
      const log = await answered(own, {
        NODE_OPTIONS: `--import=${sdk.href}`,
        OWN_COLLECTOR: own.url,
        OTEL_EXPORTER_OTLP_ENDPOINT: other.url,
      });
      expect(log).not.toContain('spans are not delivered');
      expect(other.spans).toEqual([]);
    } finally {
      await own.close();
      await other.close();
    }
  });

  it('tells the collector what OTEL_RESOURCE_ATTRIBUTES says of the server', async () => {
    const receiver = await OtlpReceiver.start();
    try {
      await answered(receiver, {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=staging,service.namespace=chats',
        OTEL_SERVICE_NAME: 'chat-1',
        OTEL_BSP_SCHEDULE_DELAY: '50',
      });
      for (const [key, stringValue] of [
        ['deployment.environment.name', 'staging'],
        ['service.namespace', 'chats'],
        ['service.name', 'chat-1'],
      ]) {
        expect(receiver.bodies).toContain(JSON.stringify({ key, value: { stringValue } }));
      }
    } finally {
      await receiver.close();
    }
  });
});

describe('the trace of a generation', () => {
  let receiver: OtlpReceiver;
  let upstreams: ScriptedUpstream[];
  let app: RunningServer;
  let client: Client;
  const over: Record<string, (call: UpstreamCall) => void> = {
    well: (call) => call.text('The sky').text(' is blue.').done(),
    badly: (call) => call.json(500, { error: 'no luck' }),
  };
  /** How the requests with this trace are answered, one after the other. */
  const answer = async (...ways: (keyof typeof over)[]): Promise<UpstreamCall[]> => {
    const calls: UpstreamCall[] = [];
    for (const way of ways) {
      const call = await Promise.any(upstreams.map((upstream) => upstream.nextCall()));
      calls.push(call);
      over[way]?.(call);
    }
    return calls;
  };

  beforeAll(async () => {
    receiver = await OtlpReceiver.start();
    upstreams = [await ScriptedUpstream.start()];
    app = await startApp({
      OLLAMA_BASE_URL: upstreams.map(({ url }) => url).join(','),
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    });
    client = await Client.connect(app.socketUrl);
    await until(async () => {
      const { body } = await ask('GET', `${app.url}/llm/models`);
      return body.models?.length === upstreams.length;
    });
  });
  afterAll(async () => {
    client?.close();
    await app?.close();
    for (const upstream of upstreams ?? []) await upstream.close();
    await receiver?.close();
  });

  it('stands in the trace of whoever asked, at each door, and goes on at the upstream', async () => {
    const rest = ask(
      'POST',
      `${app.url}/llm/generate`,
      { prompt: 'why?', onDisconnect: 'keep' },
      { traceparent: traceparent(1) },
    );
    const [first] = await answer('well');
    const { generationId: restId } = (await rest).body;
    await until(async () => {
      const { body } = await ask('GET', `${app.url}/llm/generations/${restId}`);
      return body.state === 'completed';
    });

    const { generationId } = await client.accepted('chat', {
      messages: [{ role: 'user', content: 'why?' }],
      trace: traceparent(2),
    });
    const [second] = await answer('well');
    await client.ended(generationId);

    const door = ask(
      'POST',
      `${app.url}/v1/chat/completions`,
      { model: 'llama3.2', messages: [{ role: 'user', content: 'why?' }] },
      { traceparent: traceparent(3) },
    );
    const [third] = await answer('well');
    expect((await door).body).toMatchObject({ object: 'chat.completion' });
    const doorId = (await door).headers.get('x-llm-cast-generation-id');

    const { generationId: failedId } = await client.accepted('generate', {
      prompt: 'why?',
      trace: traceparent(4),
    });
    await answer('badly', 'well');
    await client.ended(failedId);
    // What is left is sent as the server goes.
    await app.close();

    for (const [digit, id, call, name] of [
      [1, restId, first, 'text_completion llama3.2'],
      [2, generationId, second, 'chat llama3.2'],
      [3, doorId, third, 'chat llama3.2'],
    ] as const) {
      const spans = receiver.trace(traceOf(digit));
      expect(Object.keys(spans).sort()).toEqual([name, 'attempt 1', 'deliver', 'queue'].sort());
      const root = spans[name] as ReceivedSpan;
      expect(root).toMatchObject({
        parent: CALLER,
        kind: SERVER,
        isError: false,
        attributes: {
          'gen_ai.operation.name': name.split(' ')[0],
          'gen_ai.provider.name': 'ollama',
          'gen_ai.request.model': 'llama3.2',
          'gen_ai.response.model': 'llama3.2',
          'gen_ai.response.id': id,
          'gen_ai.response.finish_reasons': ['stop'],
          'gen_ai.usage.input_tokens': 11,
          'gen_ai.usage.output_tokens': 3,
          'gen_ai.response.time_to_first_chunk': expect.any(Number),
        },
      });
      for (const child of ['attempt 1', 'deliver', 'queue']) {
        expect(spans[child]?.parent).toBe(root.spanId);
        expect(spans[child]!.from).toBeGreaterThanOrEqual(root.from);
      }
      expect(spans['queue']!.to).toBeLessThanOrEqual(spans['attempt 1']!.to);
      expect(spans['attempt 1']?.kind).toBe(CLIENT);
      expect(call?.headers['traceparent']).toBe(
        `00-${traceOf(digit)}-${spans['attempt 1']?.spanId}-01`,
      );
    }

    const spans = receiver.trace(traceOf(4));
    expect(Object.keys(spans).sort()).toEqual(
      ['attempt 1', 'attempt 2', 'deliver', 'queue', 'text_completion llama3.2'].sort(),
    );
    expect(spans['attempt 1']).toMatchObject({
      isError: true,
      attributes: { 'error.type': 'upstream_error' },
    });
    expect([spans['attempt 2']?.isError, spans['text_completion llama3.2']?.isError]).toEqual([
      false,
      false,
    ]);
  });
});
