import { request } from 'node:http';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { Client } from '../support/client.js';
import { call } from '../support/rest.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { mayHold, NEIGHBOUR_MS, Victim } from '../support/victim.js';

const MIB = 1_048_576;

describe('requests that wait', () => {
  let upstream: ScriptedUpstream;
  let server: RunningServer;
  let clients: Client[];
  const open: { close(): Promise<void> }[] = [];
  const start = async (env: Record<string, string | number> = {}): Promise<void> => {
    server = await startApp({ OLLAMA_BASE_URL: upstream.url, ...env });
    open.push(server);
  };
  const connect = async (): Promise<Client> => {
    const client = await Client.connect(server.socketUrl, { transports: ['websocket'] });
    clients.push(client);
    return client;
  };
  beforeEach(async () => {
    clients = [];
    upstream = await ScriptedUpstream.start();
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    for (const one of open.splice(0)) await one.close();
    await upstream?.close();
  });

  it('count with all of them: tools and format too', async () => {
    const victim = await Victim.start({
      OLLAMA_BASE_URL: upstream.url,
      MAX_LOG_BYTES: 16 * MIB,
    });
    open.push(victim);
    const schema = {
      properties: Object.fromEntries(
        Array.from({ length: 4_000 }, (_, at) => [
          `field${at}`,
          { type: 'string', enum: ['one', 'two', 'three'] },
        ]),
      ),
    };
    const tools = [
      {
        type: 'function',
        function: { name: 'f', parameters: schema, description: 'x'.repeat(MIB / 2) },
      },
    ];
    const body = {
      messages: [{ role: 'user', content: 'hi' }],
      tools,
      format: schema,
      onDisconnect: 'keep',
    };
    let sent = 0;
    const statuses: number[] = [];
    const { held, waited } = await victim.under(
      async () => {
        for (let at = 0; at < 30; at++) {
          const answer = await call('POST', `${victim.url}/llm/chat`, body);
          statuses.push(answer.status);
          sent += JSON.stringify(body).length;
        }
      },
      () => 32 * MIB,
    );
    expect(statuses).toContain(201);
    expect(statuses.at(-1)).toBe(503);
    expect(held).toBeLessThan(mayHold(sent));
    // What is counted is what is held, about.
    expect(held).toBeLessThan(32 * MIB);
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });

  it('60 sockets of one address take one turn after the other', async () => {
    await start({ MAX_CONCURRENT: 1 });
    for (let at = 0; at < 60; at++) {
      await (await connect()).accepted('generate', { prompt: `flood ${at}`, onDisconnect: 'keep' });
    }
    // From another address.
    const neighbour = await new Promise<string>((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const url = `${server.url}/llm/generate`;
      request(url, { method: 'POST', headers, localAddress: '127.0.0.2' }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        answer.on('end', () => resolve(text));
      })
        .on('error', reject)
        .end(JSON.stringify({ prompt: 'one', onDisconnect: 'keep' }));
    });
    expect(JSON.parse(neighbour)).toMatchObject({ state: 'queued', position: 1 });
  });

  it('ask for so many tokens as there may be, or for less', async () => {
    await start();
    const client = await connect();
    for (const [options, most] of [
      [undefined, 4096],
      [{ num_predict: -1 }, 4096],
      // No limit, to Ollama.
      [{ num_predict: 0 }, 4096],
      // Until the context is full.
      [{ num_predict: -2 }, 4096],
      [{ num_predict: 1_000_000, seed: 1 }, 4096],
      [{ num_predict: 7 }, 7],
    ] as const) {
      for (const [door, fields] of [
        ['generate', { prompt: 'hi' }],
        ['chat', { messages: [{ role: 'user', content: 'hi' }] }],
      ] as const) {
        await client.accepted(door, { ...fields, ...(options && { options }) });
        const asked = await upstream.nextCall();
        expect(asked.body['options']).toEqual({ ...options, num_predict: most });
        asked.done();
      }
    }
  });

  it("the operator's own num_predict stands for requests that name none, and 0 asks for no limit", async () => {
    await start({ MAX_TOKENS: 100, OLLAMA_OPTIONS: '{"num_predict":50}' });
    await (await connect()).accepted('generate', { prompt: 'hi' });
    expect((await upstream.nextCall()).body['options']).toMatchObject({ num_predict: 50 });
    await start({ MAX_TOKENS: 0 });
    await (await connect()).accepted('generate', { prompt: 'hi' });
    expect((await upstream.nextCall()).body).not.toHaveProperty('options.num_predict');
  });

  it('an idempotency key of another address is another key', async () => {
    await start({ MAX_CONCURRENT: 9, TRUST_PROXY: 'loopback' });
    const ask = (address: string, key = 'question-1') =>
      call(
        'POST',
        `${server.url}/llm/generate`,
        { prompt: 'my secret', onDisconnect: 'keep' },
        { 'Idempotency-Key': key, 'X-Forwarded-For': address },
      );
    const first = await ask('203.0.113.7');
    const again = await ask('203.0.113.7');
    const stranger = await ask('203.0.113.8');
    expect(again.body).toMatchObject({ generationId: first.body.generationId, deduplicated: true });
    expect(stranger.body.generationId).not.toBe(first.body.generationId);
    expect(stranger.body).not.toHaveProperty('deduplicated');
  });

  it('behind a proxy that is not trusted, too', async () => {
    await start({ MAX_CONCURRENT: 9 });
    const ask = (forwarded: object) =>
      call(
        'POST',
        `${server.url}/llm/generate`,
        { prompt: 'my secret', onDisconnect: 'keep' },
        { 'Idempotency-Key': 'q', ...forwarded },
      );
    const ids = await Promise.all(
      [
        { 'X-Forwarded-For': '203.0.113.7' },
        { 'X-Forwarded-For': '203.0.113.8' },
        { 'X-Real-IP': '203.0.113.7' },
        { Forwarded: 'for=203.0.113.7' },
        {},
      ].map(async (said) => (await ask(said)).body.generationId as string),
    );
    expect(new Set(ids).size).toBe(5);
    expect((await ask({ 'X-Forwarded-For': '203.0.113.7' })).body).toMatchObject({
      generationId: ids[0],
      deduplicated: true,
    });
  });
});
