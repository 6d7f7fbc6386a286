import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamRecord } from '../../src/protocol/records.js';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { textOf } from '../support/client.js';
import { describeIf } from '../support/needs.js';
import { call } from '../support/rest.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { DOORS } from './doors-document.js';
import { FarAway, python, STRANGERS, tool } from './support.js';

const ROUND_TRIP_MS = 300;
const TOKENS = 120;
const TOKENS_PER_SECOND = 60;

describeIf(...STRANGERS)('clients in Python', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 8 });
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  /** Starts one over REST that is kept. @returns its id, and its request */
  async function start() {
    const { body } = await call('POST', `${app.url}/llm/generate`, {
      prompt: 'x',
      onDisconnect: 'keep',
    });
    return { id: body.generationId as string, request: await upstream.nextCall() };
  }

  it.each(['polling', 'websocket'])(
    `python-socketio over %s reads ${TOKENS_PER_SECOND} tokens/s at a round trip of ${ROUND_TRIP_MS} ms`,
    async (transport) => {
      const far = await FarAway.start(app.socketUrl, ROUND_TRIP_MS);
      try {
        const said = python('socketio_client.py', far.url, transport);
        const request = await upstream.nextCall();
        let text = '';
        for (let at = 0; at < TOKENS; at++) {
          const piece = ` w${at}`;
          text += piece;
          request.text(piece);
          await sleep(1000 / TOKENS_PER_SECOND);
        }
        request.done();
        const { ack, records, disconnects } = JSON.parse(await said) as {
          ack: unknown;
          records: StreamRecord[];
          disconnects: unknown[];
        };
        expect(ack).toMatchObject({ ok: true });
        expect(disconnects).toEqual([]);
        expect(records.map(textOf).join('')).toBe(text);
        expect(records.at(-1)).toMatchObject({ state: 'completed' });
      } finally {
        far.close();
      }
    },
  );

  it('python-socketio with the namespace in the address is told where to connect', async () => {
    const said = await python('wrong_namespace.py', app.socketUrl);
    expect(said).toMatch(/connect to the namespace "\/events"/);
    expect(said).toMatch(/namespaces=\["\/events"\]/);
  });

  it('httpx-sse reads an answer, and goes on behind its last event', async () => {
    const { id, request } = await start();
    request.text('The sky').text(' is blue').done();
    // Who comes late may get records merged.
    const whole = JSON.parse(await python('sse_client.py', app.url, id, '')) as {
      ids: string[];
      text: string;
    };
    expect([whole.text, whole.ids.at(-1)]).toEqual(['The sky is blue', '4']);
    const rest = JSON.parse(await python('sse_client.py', app.url, id, '1')) as { text: string };
    expect(rest.text).toBe(' is blue');
  });

  it('ollama-python lists, chats with thinking and tools, generates by a schema, and sees a cut', async () => {
    const seen = python('ollama_client.py', app.url);
    const line = (message: object) => ({
      message: { role: 'assistant', content: '', ...message },
      done: false,
    });
    const first = await upstream.nextCall();
    expect(first.body).toMatchObject({ think: true, tools: [{ function: { name: 'weather' } }] });
    first
      .line(line({ thinking: 'Hm.' }))
      .line(line({ content: 'Let me see.' }))
      .line(line({ tool_calls: [{ function: { name: 'weather', arguments: { city: 'Oslo' } } }] }))
      .done();
    const second = await upstream.nextCall();
    expect(second.body).toMatchObject({ format: { type: 'object' } });
    second.text('{"colour":"blue"}').done();
    (await upstream.nextCall()).text('The sky').end();
    expect(JSON.parse(await seen)).toEqual({
      models: ['llama3.2'],
      text: 'Let me see.',
      thinking: 'Hm.',
      calls: [['weather', { city: 'Oslo' }]],
      tokens: [11, 3],
      whole: '{"colour":"blue"}',
      partly: 'The sky',
      cut: expect.stringMatching(/\(upstream_truncated\)$/),
      pull: 403,
    });
  });

  describe('of the OpenAPI document', () => {
    let folder: string;
    let document: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'llm-cast-strangers-'));
      document = join(folder, 'openapi.json');
      await writeFile(document, await (await fetch(`${app.url}/docs-json`)).text());
    });

    it('openapi-spec-validator finds nothing wrong', async () => {
      expect(await tool('openapi-spec-validator', document)).toMatch(/: OK\s*$/);
    });

    it('openapi-python-client makes a client without a warning, and it works', async () => {
      const config = join(folder, 'config.yml');
      await writeFile(config, 'package_name_override: llm_cast_client\n');
      const options = ['--output-path', join(folder, 'llm_cast_client'), '--meta', 'none'];
      const made = await tool(
        'openapi-python-client',
        'generate',
        '--path',
        document,
        '--config',
        config,
        ...options,
      );
      expect(made).not.toMatch(/warning|unable|error/i);
      const used = python('generated_client.py', app.url, folder);
      const request = await upstream.nextCall();
      await sleep(1_000);
      request.text('The sky is blue').done();
      expect((await used).trim().split('\n').at(-1)).toBe('The sky is blue stop');
    });

    /** Asks all that a document describes, and much that it does not. @returns what it said */
    const schemathesis = (file: string, url: string, ...options: string[]): Promise<string> =>
      tool(
        'schemathesis',
        'run',
        file,
        '--url',
        url,
        '--checks',
        'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance',
        // Behind what it asks of every field, which is most of it.
        '--max-examples',
        '5',
        '--seed',
        '1',
        '--request-timeout',
        '10',
        '--no-color',
        ...options,
      );
    /** A pattern says it, too: schemathesis looks long for a text that only one of them allows. */
    const DATE_TIME = '"format":"date-time",';
    const ALL_PASSED = /(\d{3,}) generated, \1 passed/;

    it('schemathesis finds no answer that it does not describe', async () => {
      const file = join(folder, 'patterns.json');
      await writeFile(file, (await readFile(document, 'utf8')).replaceAll(DATE_TIME, ''));
      // One is a stream, and one asks for what is to be pulled.
      const said = await schemathesis(file, app.url, '--exclude-path-regex', '/(events|stream)$');
      expect(said).toMatch(ALL_PASSED);
    });

    it('schemathesis finds no answer of the doors that docs/doors.md does not promise', async () => {
      const file = join(folder, 'doors.json');
      await writeFile(file, JSON.stringify(DOORS));
      // It answers whatever it is asked.
      const model = createServer((request, response) => {
        const isList = request.method === 'GET';
        response.setHeader('content-type', isList ? 'application/json' : 'application/x-ndjson');
        response.end(
          isList ? '{"models":[],"version":"1"}' : '{"done":true,"done_reason":"stop"}\n',
        );
      });
      await new Promise<void>((resolve) => model.listen(0, '127.0.0.1', resolve));
      const { port } = model.address() as AddressInfo;
      const doors = await startApp({
        OLLAMA_BASE_URL: `http://127.0.0.1:${port}`,
        MAX_CONCURRENT: 8,
        LIMIT_STARTS_PER_MINUTE: 0,
        LIMIT_JOINS_PER_10S: 0,
      });
      try {
        expect(await schemathesis(file, doors.url)).toMatch(ALL_PASSED);
      } finally {
        await doors.close();
        model.close();
        model.closeAllConnections();
      }
    });
  });
});
