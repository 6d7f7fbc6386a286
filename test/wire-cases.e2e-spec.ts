import { createHash } from 'node:crypto';
import { streamRecord } from '../src/protocol/records.js';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client, textOf } from './support/client.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import {
  errorTexts,
  eventsOf,
  expectedEvents,
  limitsOf,
  play,
  titleOf,
  type WireCase,
  wireCases,
} from './support/wire-case.js';

const given = wireCases('ndjson', '/api/generate', '/api/chat');

/** What the file has no case for: time passing, in ways that only its fields can tell. */
const timed: WireCase[] = [
  ...given
    .filter(({ id }) => id === 'N11')
    .map((wire) => ({
      ...wire,
      id: 'N11 slowly',
      note: 'any chunk resets the idle timer, and the first ends the wait for the first byte',
      fragments: wire.fragments.map((fragment) => ({ ...fragment, delay_ms: 600 })),
      config: { firstByteTimeoutMs: 2_000, idleTimeoutMs: 2_000 },
    })),
  ...[{ hang_before_headers: true }, { hang_after_fragments: true }].map((hang): WireCase => ({
    id: 'B14',
    kind: 'ndjson',
    endpoint: '/api/generate',
    note: `no byte of a body: ${Object.keys(hang).join()}`,
    status: 200,
    headers: { 'content-type': 'application/x-ndjson' },
    fragments: [],
    abrupt_close: false,
    ...hang,
    config: { firstByteTimeoutMs: 200 },
    expect: {
      events: [{ type: 'error', code: 'first_byte_timeout', retryable: false, partial: false }],
    },
  })),
];

const NO_ERROR = { retryable: false, retryAfterMs: undefined, detail: '' };

/** The REST request that makes the server ask this endpoint. */
const asking = (endpoint: string): [path: string, body: object] =>
  endpoint === '/api/chat'
    ? ['/llm/chat', { messages: [{ role: 'user', content: 'hi' }] }]
    : ['/llm/generate', { prompt: 'hi' }];

describe("Ollama's answers, byte for byte, through the whole server", () => {
  let upstream: ScriptedUpstream;
  /** One server, with one client, for each set of limits that the cases ask for. */
  const servers = new Map<string, Promise<{ app: RunningServer; client: Client }>>();

  const connected = async (env: Record<string, string | number>) => {
    const app = await startApp(env);
    return { app, client: await Client.connect(app.socketUrl) };
  };
  const serverFor = (wire: WireCase) => {
    // Where the case asks for a pause, there are others to be asked at once instead: a test has no
    // time for Retry-After.
    const upstreams = Array<string>(wire.retry_after_ms === undefined ? 1 : 3).fill(upstream.url);
    const env = { OLLAMA_BASE_URL: upstreams.join(), ...limitsOf(wire) };
    const key = JSON.stringify(env);
    const running = servers.get(key) ?? connected(env);
    servers.set(key, running);
    return running;
  };

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
  });
  afterAll(async () => {
    for (const running of await Promise.allSettled(servers.values())) {
      if (running.status === 'rejected') continue;
      running.value.client.close();
      await running.value.app.close();
    }
    await upstream?.close();
  });

  it.each([...given, ...timed].map((wire) => [titleOf(wire), wire] as const))(
    '%s',
    async (_title, wire) => {
      const { app, client } = await serverFor(wire);
      const [path, body] = asking(wire.endpoint);
      const earlier = upstream.calls.length;
      const started = await call('POST', app.url + path, { clientId: client.id, ...body });
      expect(started.status).toBe(201);
      const { generationId } = started.body as { generationId: string };
      const playing: Promise<void>[] = [];
      await client.until(() => {
        const requests = upstream.calls.slice(earlier + playing.length);
        for (const request of requests) playing.push(play(wire, request));
        return client.of(generationId).some((record) => 'state' in record);
      });
      const terminal = await client.ended(generationId);
      await Promise.all(playing);
      // A round trip: whatever was sent after the terminal record is here now.
      expect(await client.ask('cancel', { generationId })).toMatchObject({
        ok: true,
        state: terminal.state,
      });

      const records = client.of(generationId);
      expect(eventsOf(wire, records)).toEqual(
        expectedEvents(wire).map((event) => expect.objectContaining(event)),
      );
      expect(records.map(({ seq }) => seq)).toEqual(records.map((_, index) => index + 1));
      expect(records.filter((record) => 'state' in record)).toEqual([records.at(-1)]);
      const last = records.filter((record) => 'done' in record && record.done);
      expect(last).toEqual(terminal.state === 'completed' ? [records.at(-2)] : []);
      // Parsing strips fields that are not in the contract.
      expect(records).toEqual(records.map((record) => streamRecord.parse(record)));

      const text = records.map(textOf).join('');
      expect(terminal).toMatchObject({
        bytes: Buffer.byteLength(text),
        sha256: createHash('sha256').update(text).digest('hex'),
      });
      const { retryable, retryAfterMs, detail } = { ...NO_ERROR, ...terminal };
      expect(retryAfterMs).toBe(wire.retry_after_ms);
      const isReasoned = detail.includes('It said: ');
      for (const said of isReasoned ? [] : errorTexts(wire)) expect(detail).not.toContain(said);

      const requests = upstream.calls.slice(earlier);
      await Promise.all(requests.map(({ closed }) => closed));
      expect(new Set(requests.map((request) => request.path))).toEqual(new Set([wire.endpoint]));
      // It is tried again if, and only if, that may help and nobody has read anything.
      expect(requests.length > 1).toBe(retryable);
    },
  );
});
