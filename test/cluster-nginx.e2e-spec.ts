import { ClusterStage, type ClusterServer } from './support/cluster-stage.js';
import { Client } from './support/client.js';
import { describeIf } from './support/needs.js';
import { NGINX, Nginx } from './support/nginx.js';
import { ENGINES } from './support/redis-server.js';
import { call } from './support/rest.js';

const engine = ENGINES.find(({ program }) => program !== undefined);
const isThere = engine !== undefined && NGINX[0];

describeIf(isThere, 'deploy/nginx.cluster.conf is not tested, as PATH lacks nginx or redis-server')(
  'two nodes behind nginx, with deploy/nginx.cluster.conf',
  () => {
    let stage: ClusterStage;
    let nginx: Nginx;
    let nodes: [ClusterServer, ClusterServer];
    const clients: Client[] = [];

    beforeEach(async () => {
      stage = await ClusterStage.open(engine?.program ?? '', {
        env: { TRUST_PROXY: 'loopback', DRAIN_MS: 0 },
      });
      nodes = await Promise.all([stage.node({ NODE_ID: 'n1' }), stage.node({ NODE_ID: 'n2' })]);
      await stage.ready();
      nginx = await Nginx.startCluster(nodes);
    });
    afterEach(async () => {
      for (const client of clients.splice(0)) client.close();
      await nginx?.close();
      await stage?.close();
    });

    it.each(['polling', 'websocket'])(
      'serves clients that use %s, on both nodes',
      async (transport) => {
        expect(nginx.said).toBe('');
        for (let at = 0; at < 8; at++) {
          clients.push(await Client.connect(nginx.url, { transports: [transport] }));
        }
        const tags = clients.map(({ id }) => id.slice(0, 2));
        expect(new Set(tags)).toEqual(new Set(['n1', 'n2']));
        for (const client of clients) {
          // Over REST, which may come to any node.
          const { status, body } = await call('POST', `${nginx.url}/llm/generate`, {
            clientId: client.id,
            prompt: 'x',
          });
          expect([status, body]).toMatchObject([201, { state: 'starting' }]);
          (await stage.upstream.nextCall()).text('hello').done();
          expect(await client.ended(body.generationId)).toMatchObject({ state: 'completed' });
          expect(client.text(body.generationId)).toBe('hello');
        }
      },
    );
  },
);
