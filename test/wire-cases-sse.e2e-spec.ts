import { createHash } from 'node:crypto';
import { streamRecord } from '../src/protocol/records.js';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client, textOf } from './support/client.js';
import { OpenAiUpstream } from './support/openai-upstream.js';
import {
  errorTexts,
  eventsOf,
  expectedEvents,
  limitsOf,
  play,
  titleOf,
  wireCases,
} from './support/wire-case.js';

const given = wireCases('sse', '/v1/chat/completions');
const NO_ERROR = { retryable: false, detail: '' };
const REQUESTS = {
  chat: { messages: [{ role: 'user', content: 'hi' }] },
  generate: { prompt: 'hi' },
};

describe.each(['chat', 'generate'] as const)(
  "OpenAI-compatible servers' answers, byte for byte, through the whole server, to %s",
  (event) => {
    let upstream: OpenAiUpstream;
    let app: RunningServer;
    let client: Client;

    beforeAll(async () => {
      upstream = await OpenAiUpstream.start();
      app = await startApp({
        OLLAMA_BASE_URL: '',
        OPENAI_BASE_URL: upstream.url,
        OPENAI_MODEL: 'gpt-demo',
        ...limitsOf(given[0]!),
      });
      client = await Client.connect(app.socketUrl);
    });
    afterAll(async () => {
      client?.close();
      await app?.close();
      await upstream?.close();
    });

    it.each(given.map((wire) => [titleOf(wire), wire] as const))('%s', async (_title, wire) => {
      const earlier = upstream.calls.length;
      const answer = await client.accepted(event, REQUESTS[event]);
      const { generationId } = answer;
      const playing: Promise<void>[] = [];
      await client.until(() => {
        const requests = upstream.calls.slice(earlier + playing.length);
        for (const request of requests) playing.push(play(wire, request));
        return client.of(generationId).some((record) => 'state' in record);
      });
      await Promise.all(playing);
      // A round trip: whatever was sent after the terminal record is here now.
      await client.ask('cancel', { generationId });

      const records = client.of(generationId);
      const terminal = await client.ended(generationId);
      expect(eventsOf(wire, records)).toEqual(
        expectedEvents(wire).map((expected) => expect.objectContaining(expected)),
      );
      expect(records.map(({ seq }) => seq)).toEqual(records.map((_, index) => index + 1));
      expect(records.filter((record) => 'state' in record)).toEqual([records.at(-1)]);
      // Parsing strips fields that are not in the contract.
      expect(records).toEqual(records.map((record) => streamRecord.parse(record)));
      // The shape is that of the request, whoever answers it.
      for (const chunk of records.slice(0, -1)) {
        expect('response' in chunk).toBe(event === 'generate');
        expect('message' in chunk).toBe(event === 'chat');
      }
      const text = records.map(textOf).join('');
      expect(terminal).toMatchObject({
        bytes: Buffer.byteLength(text),
        sha256: createHash('sha256').update(text).digest('hex'),
      });
      const { retryable, detail } = { ...NO_ERROR, ...terminal };
      const isReasoned = detail.includes('It said: ');
      for (const said of isReasoned ? [] : errorTexts(wire)) expect(detail).not.toContain(said);

      const requests = upstream.calls.slice(earlier);
      await Promise.all(requests.map(({ closed }) => closed));
      // It is tried again if, and only if, that may help and nobody has read anything.
      const { code } = { code: '', ...terminal };
      // What is loading is waited for instead, within `FIRST_BYTE_TIMEOUT_MS`.
      if (code === 'upstream_loading') expect(requests.length).toBeGreaterThan(1);
      else expect(requests.length).toBe(retryable ? 3 : 1);
      expect(requests[0]!.body['messages']).toEqual(REQUESTS.chat.messages);
    });
  },
);
