import { call } from '../support/rest.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { until } from '../support/until.js';
import { mayHold, NEIGHBOUR_MS, Victim } from '../support/victim.js';

const MIB = 1_048_576;

describe('pipelined requests', () => {
  let upstream: ScriptedUpstream;
  let victim: Victim;
  let large: string;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    victim = await Victim.start({ OLLAMA_BASE_URL: upstream.url, SLOW_READER_MS: 1_000 });
    const body = { prompt: 'why is the sky blue?', onDisconnect: 'keep' };
    const { generationId } = (await call('POST', `${victim.url}/llm/generate`, body)).body;
    const answer = await upstream.nextCall();
    for (let at = 0; at < 64; at++) answer.text('x'.repeat(MIB / 64));
    answer.done();
    large = `/llm/generations/${generationId}`;
    await until(async () => {
      const view = await call('GET', victim.url + large);
      return view.body.state === 'completed' && view.body.text.length === MIB;
    });
  });
  afterAll(async () => {
    await victim?.close();
    await upstream?.close();
  });

  const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

  it.each([9, 300])('%i at once: the connection is cut', async (count) => {
    const sent = request(large).repeat(count);
    const { held, waited } = await victim.under(
      async () => {
        const peer = await victim.connect();
        await peer.send(sent);
        await peer.cut();
      },
      () => mayHold(sent.length),
    );
    expect(held).toBeLessThan(mayHold(sent.length));
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });

  it('8 at once are answered in order, however fast each is', async () => {
    const peer = await victim.connect();
    const paths = [large, '/health/live', '/llm/queue', '/nothing', '/health/live'];
    await peer.send(paths.map(request).join(''));
    await until(() => (peer.said.match(/HTTP\/1\.1 /g) ?? []).length === paths.length);
    expect(peer.said.match(/HTTP\/1\.1 \d+/g)?.map((line) => line.slice(-3))).toEqual([
      '200',
      '200',
      '200',
      '404',
      '200',
    ]);
    expect(peer.said.indexOf('"text"')).toBeLessThan(peer.said.indexOf('"status":"ok"'));
    // And the connection goes on.
    await peer.send(request('/health/live').repeat(2));
    await until(() => (peer.said.match(/"status":"ok"/g) ?? []).length === 4);
    peer.socket.destroy();
  });

  it('that nobody reads are cut after SLOW_READER_MS', async () => {
    const peer = await victim.connect();
    peer.stop();
    await peer.send(request(large).repeat(8));
    const socket = peer.socket;
    // It reads no more, so only a write tells.
    const probe = setInterval(() => socket.write('\r\n'), 100);
    try {
      await until(() => socket.destroyed);
    } finally {
      clearInterval(probe);
    }
  });
});
