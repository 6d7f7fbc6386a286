import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { untilReady } from './support/cluster-stage.js';
import { describeIf } from './support/needs.js';
import { ENGINES, RedisServer } from './support/redis-server.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

const LONG = 'word '.repeat(1_000);

for (const { name, program, missing } of ENGINES) {
  describeIf(program !== undefined, missing)(`a conversation over two nodes on ${name}`, () => {
    let redis: RedisServer;
    let upstreams: [ScriptedUpstream, ScriptedUpstream];
    let nodes: RunningServer[] = [];
    let clients: [Client, Client];

    beforeAll(async () => {
      redis = await RedisServer.start(program ?? '');
      upstreams = await Promise.all([ScriptedUpstream.start(), ScriptedUpstream.start()]);
      const env = {
        REDIS_URL: redis.url,
        OLLAMA_BASE_URL: upstreams.map(({ url }) => url).join(),
        MAX_CONCURRENT: 1,
      };
      nodes = [await startApp(env), await startApp(env)];
      await untilReady(redis, 2);
      clients = await Promise.all([
        Client.connect(nodes[0]!.socketUrl),
        Client.connect(nodes[1]!.socketUrl),
      ]);
      for (const { url } of nodes) await call('GET', `${url}/llm/models`);
    });
    afterAll(async () => {
      for (const client of clients ?? []) client.close();
      await Promise.all(nodes.map((node) => node.close()));
      await Promise.all((upstreams ?? []).map((upstream) => upstream.close()));
      await redis?.close();
    });

    const ask = async (client: Client, ...contents: string[]) => {
      const messages = contents.map((content, at) => ({
        role: at % 2 === 0 ? 'user' : 'assistant',
        content,
      }));
      return client.accepted('chat', { messages });
    };
    const answer = async (upstream: ScriptedUpstream, client: Client, id: string) => {
      const asked = await upstream.nextCall();
      asked.text('An answer.').done({ prompt_eval_duration: 60e9 });
      await client.ended(id);
    };

    it('goes on where its beginning was read, whichever node is asked, and waits for that', async () => {
      const [here, there] = clients;
      const [first, second] = upstreams;
      const busy = await ask(here, 'another question');
      const { generationId } = await ask(here, LONG);
      await answer(second, here, generationId);
      // The other node is asked, while the first upstream is as free.
      const again = [LONG, 'An answer.', 'And then?'];
      await answer(first, here, busy.generationId);
      const next = await ask(there, ...again);
      expect(next.state).toBe('starting');
      await answer(second, there, next.generationId);
      // And while it is not free, but saves a minute.
      const other = await ask(here, LONG, 'An answer.', 'What else?');
      const waits = await ask(there, ...again, 'An answer.', 'And then?');
      expect(waits.state).toBe('queued');
      await answer(second, here, other.generationId);
      await answer(second, there, waits.generationId);
    });
  });
}
