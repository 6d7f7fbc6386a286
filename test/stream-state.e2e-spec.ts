import type { RunningServer } from '../src/server.js';
import { Client } from './support/client.js';
import { SECRET, tokenOf } from './support/credentials.js';
import { FaultProxy } from './support/fault-proxy.js';
import { SseReader } from './support/resuming-client.js';
import type { ScriptedUpstream, UpstreamCall } from './support/scripted-upstream.js';
import { Stage } from './support/stage.js';
import { until } from './support/until.js';

/** Longest silence that a client may be left in, and some time for a shared machine. */
const SILENCE_MS = 15_000;
const GRACE_MS = 1_500;

describe('streamState', () => {
  let stage: Stage;
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let client: Client;

  beforeEach(async () => {
    // Far more than a paused reader's connection holds: all of an answer is with the transport.
    stage = await Stage.open({ SOCKET_BUFFER_BYTES: 67_108_864 });
    ({ upstream, app } = stage);
    client = await stage.connect();
  });
  afterEach(() => stage?.close());

  const start = async (one = client): Promise<{ id: string; state: string }> => {
    const ack = await one.accepted('generate', { prompt: 'why is the sky blue?' });
    return { id: ack.generationId, state: ack.state };
  };
  const begun = async (one = client): Promise<{ id: string; request: UpstreamCall }> => {
    const { id } = await start(one);
    return { id, request: await upstream.nextCall() };
  };
  const statesOf = (id: string, one = client) =>
    one.states.filter(({ generationId }) => generationId === id).map(({ state }) => state);

  it('tells each change on the way to the end, each once', async () => {
    const { id: first, request } = await begun();
    const second = await start();
    expect(second.state).toBe('queued');
    request.text('one').text('two').done();
    await client.ended(first);
    (await upstream.nextCall()).text('three').done();
    await client.ended(second.id);
    // Where it is when it is asked for, the ack says.
    expect(statesOf(first)).toEqual(['streaming', 'completed']);
    expect(statesOf(second.id)).toEqual(['starting', 'streaming', 'completed']);
    expect(client.states).toContainEqual({
      generationId: second.id,
      state: 'starting',
      upstream: 'ollama',
    });
    // The last one comes before the terminal record, which nothing follows.
    for (const id of [first, second.id]) {
      const about = client.log.filter(
        ({ payload }) => (payload as { generationId?: string }).generationId === id,
      );
      expect(about.slice(-2)).toMatchObject([
        { event: 'streamState', payload: { state: 'completed' } },
        { event: 'streamData', payload: { state: 'completed' } },
      ]);
    }
  });

  it('tells a cancel at once, and its end', async () => {
    const { id, request } = await begun();
    request.text('The sky');
    await client.until(() => client.text(id) !== '');
    await client.ask('cancel', { generationId: id });
    expect(statesOf(id)).toEqual(['streaming', 'cancelling', 'cancelled']);
  });

  it('tells another attempt as such', async () => {
    const { id, request } = await begun();
    request.json(503, { error: 'server busy, please try again' });
    (await upstream.nextCall()).text('at last').done();
    await client.ended(id);
    expect(client.states.filter(({ generationId }) => generationId === id)).toEqual([
      { generationId: id, state: 'starting', upstream: 'ollama', attempt: 2 },
      { generationId: id, state: 'streaming', upstream: 'ollama', attempt: 2 },
      { generationId: id, state: 'completed', upstream: 'ollama', attempt: 2 },
    ]);
  });

  it('tells a new tab of a user what goes on, and other users nothing', async () => {
    const owner = await Client.connect(app.socketUrl, { auth: { userId: 'ann' } });
    const { id, request } = await begun(owner);
    const [tab, stranger] = [
      await Client.connect(app.socketUrl, { auth: { userId: 'ann' } }),
      await Client.connect(app.socketUrl, { auth: { userId: 'bob' } }),
    ];
    try {
      await tab.until(() => tab.states.length > 0);
      expect(tab.states).toEqual([{ generationId: id, state: 'starting', upstream: 'ollama' }]);
      await tab.ask('join', { generationId: id, after: 0 });
      request.text('for ann').done();
      await tab.ended(id);
      expect(tab.text(id)).toBe('for ann');
      const late = await Client.connect(app.socketUrl, { auth: { userId: 'ann' } });
      await late.ask('leave', { generationId: id });
      late.close();
      expect([...late.states, ...stranger.states, ...stranger.records]).toEqual([]);
    } finally {
      for (const one of [owner, tab, stranger]) one.close();
    }
  });

  it('tells a socket without the scope read nothing of what goes on', async () => {
    const guarded = await Stage.open({ JWT_SECRET: SECRET });
    const clients: Client[] = [];
    const connect = async (scopes: string[]): Promise<Client> => {
      const auth = { token: await tokenOf('ann', { scopes }) };
      const one = await Client.connect(guarded.app.socketUrl, { auth });
      clients.push(one);
      return one;
    };
    try {
      const { id } = await guarded.generate(await connect(['start', 'read']));
      const [starts, reads] = [await connect(['start']), await connect(['read'])];
      await reads.until(() => reads.states.length > 0);
      // What is told at the connect comes before the answer to what is asked then.
      await starts.ask('leave', { generationId: id });
      expect(starts.states).toEqual([]);
    } finally {
      for (const one of clients) one.close();
      await guarded.close();
    }
  });

  // One test, so that the suite waits only once.
  it('shows every 15 s that the server lives while the upstream is silent, and SSE a comment', async () => {
    const proxy = await FaultProxy.start(Number(new URL(app.url).port));
    try {
      // A reader that is stalled behind the end of its response; a heartbeat there is an error.
      const { id: big, request } = await begun();
      const stalled = await SseReader.open(proxy.url, big);
      proxy.stall();
      for (let count = 0; count < 12; count++) request.text('x'.repeat(1_048_576));
      request.done();
      await client.ended(big);

      const { id } = await begun();
      const queued = await start();
      const sse = await SseReader.open(app.url, id);
      const told = { [id]: 0, [queued.id]: 0 };
      client.socket.on('streamState', ({ generationId }: { generationId: string }) => {
        told[generationId]!++;
      });
      await until(
        () => Object.values(told).every((times) => times > 0) && sse.comments.length > 0,
        SILENCE_MS + GRACE_MS,
      );
      expect(new Set(statesOf(id))).toEqual(new Set(['starting']));
      expect(client.states.at(-1)).toMatchObject({ generationId: queued.id, position: 1 });
      expect(sse.records).toEqual([]);

      proxy.resume();
      expect(await stalled.over).toBe(true);
      expect(stalled.records.at(-1)).toMatchObject({ state: 'completed', bytes: 12 * 1_048_576 });
      sse.close();
    } finally {
      await proxy.close();
    }
  });
});
