import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { describeIf } from './support/needs.js';
import { redisCluster } from './support/redis-cluster.js';
import { ENGINES, type RedisServer } from './support/redis-server.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { until } from './support/until.js';

for (const { name, program, missing } of ENGINES) {
  describeIf(program !== undefined, missing)(`two nodes on a ${name} Cluster`, () => {
    let masters: RedisServer[] = [];
    let upstream: ScriptedUpstream;
    let a: RunningServer;
    let b: RunningServer;
    const clients: Client[] = [];

    beforeAll(async () => {
      masters = await redisCluster(program ?? '', 3);
      upstream = await ScriptedUpstream.start();
      const env = {
        OLLAMA_BASE_URL: upstream.url,
        REDIS_URL: masters.map(({ url }) => url).join(','),
        NODE_LEASE_MS: 1_000,
        MAX_CONCURRENT: 4,
      };
      [a, b] = await Promise.all([startApp(env), startApp(env)]);
      await until(async () => (await call('GET', `${a.url}/llm/cluster`)).body.nodes.length === 2);
    });
    afterAll(async () => {
      for (const client of clients) client.close();
      await Promise.all([a?.close(), b?.close()]);
      await upstream?.close();
      for (const master of masters) await master.close();
    });

    const connect = async (node: RunningServer): Promise<Client> => {
      const client = await Client.connect(node.socketUrl);
      clients.push(client);
      return client;
    };

    it('start for a socket of the other node, read along, and cancel', async () => {
      const [here, there] = [await connect(a), await connect(b)];
      // Ids of both nodes, so that more than one of the masters is asked.
      for (const [asked, client, reader] of [
        [b, here, there],
        [a, there, here],
      ] as const) {
        let body: Record<string, unknown> = {};
        // A node may be known to the others a moment before it hears them.
        await until(async () => {
          const started = await call('POST', `${asked.url}/llm/generate`, {
            clientId: client.id,
            prompt: 'x',
          });
          body = started.body;
          return started.status === 201;
        });
        const id = body['generationId'] as string;
        const request = (await upstream.nextCall()).text('one ');
        await reader.accepted('join', { generationId: id, after: 0 });
        request.text('two');
        await reader.until(() => reader.text(id) === 'one two');
        expect(await reader.ask('cancel', { generationId: id })).toMatchObject({ ok: true });
        expect(await reader.ended(id)).toEqual(await client.ended(id));
      }
      const nobody = { clientId: 'nobodyxx12345678901234567890', prompt: 'x' };
      expect(await call('POST', `${a.url}/llm/generate`, nobody)).toMatchObject({
        status: 404,
        body: { code: 'client_not_found' },
      });
    });
  });
}
