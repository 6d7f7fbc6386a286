import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { bearer, KeysFile, SECRET, tokenOf } from './support/credentials.js';
import { freePort } from './support/free-port.js';
import { OtlpReceiver } from './support/otlp-receiver.js';
import { call as ask } from './support/rest.js';
import { Scrape } from './support/scrape.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

/** Words that stand nowhere else, in all that callers and upstreams may write. */
const PLANTED = {
  prompt: 'zebrafish',
  system: 'quokka',
  answer: 'axolotl',
  model: 'pangolin',
  answeringModel: 'narwhal',
  user: 'capybara',
  tenant: 'wombat',
  otherUser: 'okapi',
  upstreamError: 'platypus',
  event: 'tapir',
  path: 'ocelot',
  query: 'lemur',
};
/** Most values of one label: of a closed set, or of what the operator has set up. */
const MOST_VALUES = 50;

describe('metrics and traces', () => {
  let upstream: ScriptedUpstream;
  let receiver: OtlpReceiver;
  let app: RunningServer;
  let client: Client;
  let key: string;
  let token: string;
  let metricsUrl: string;
  beforeAll(async () => {
    const keys = new KeysFile();
    key = keys.add(PLANTED.tenant, { tenant: PLANTED.tenant, scopes: ['start', 'read', 'admin'] });
    token = await tokenOf(PLANTED.user);
    upstream = await ScriptedUpstream.start();
    receiver = await OtlpReceiver.start();
    const port = await freePort();
    metricsUrl = `http://127.0.0.1:${port}`;
    app = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      METRICS_PORT: port,
      API_KEYS_FILE: keys.path,
      JWT_SECRET: SECRET,
    });
    client = await Client.connect(app.socketUrl, { auth: { token } });
  });
  afterAll(async () => {
    client?.close();
    await app?.close();
    await upstream?.close();
    await receiver?.close();
  });

  it('have no word of anybody, no key, no user, and no label without a bound', async () => {
    const { prompt, system, model } = PLANTED;
    const bodies = [
      { prompt, system, model },
      { prompt, system },
      { prompt, userId: PLANTED.otherUser, onDisconnect: 'keep' },
    ];
    for (const [at, body] of bodies.entries()) {
      const isRest = 'userId' in body;
      const asked = isRest
        ? ask('POST', `${app.url}/llm/generate`, body, bearer(key))
        : client.accepted('generate', body);
      const call = await upstream.nextCall();
      if (at === 1) call.json(400, { error: PLANTED.upstreamError });
      else call.text(PLANTED.answer).done({ model: PLANTED.answeringModel });
      if (!isRest) await client.ended(((await asked) as { generationId: string }).generationId);
      else expect((await asked) as { status: number }).toMatchObject({ status: 201 });
    }
    // Refused at each door.
    await client.ask(PLANTED.event, { prompt });
    await client.ask('generate', { prompt, oops: prompt });
    await ask('GET', `${app.url}/${PLANTED.path}?${PLANTED.query}`, undefined, bearer(key));
    await ask('GET', `${app.url}/llm/queue`, undefined, bearer(`lck_${PLANTED.path}_nothing`));
    await ask('POST', `${app.url}/v1/chat/completions`, { model, messages: prompt }, bearer(key));
    // More models than one would want to see in a label.
    for (let count = 0; count < 2 * MOST_VALUES; count++) {
      await client.ask('join', { generationId: `${model}${count}`, after: 1 });
    }

    const scrape = await Scrape.of(metricsUrl);
    await app.close();
    const secrets = [...Object.values(PLANTED), key, key.split('_').at(-1) ?? '', token];
    expect(receiver.spans.length).toBeGreaterThan(bodies.length * 3);
    for (const told of [scrape.text, receiver.bodies]) {
      expect(secrets.filter((secret) => told.includes(secret))).toEqual([]);
    }
    const names = [...scrape.labels].filter((label) => label !== 'le');
    expect(names).toEqual(expect.arrayContaining(['code', 'door', 'gen_ai_request_model']));
    expect(names.filter((label) => scrape.valuesOf(label).size > MOST_VALUES)).toEqual([]);
    expect(scrape.valuesOf('gen_ai_request_model')).toEqual(new Set(['other', 'llama3.2']));
  });
});
