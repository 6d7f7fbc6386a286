import { Client } from './support/client.js';
import type { ClusterNode, ClusterStage } from './support/cluster-stage.js';
import { FaultProxy, type ProxiedConnection } from './support/fault-proxy.js';
import { expectWhole, faultSuite, readOnBoth } from './support/fault-suite.js';
import { until } from './support/until.js';

faultSuite('those who read on another node', ({ often, stage: openStage, closeLater }) => {
  let stage: ClusterStage;
  let path: FaultProxy;
  const clients: Client[] = [];
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });

  const connect = async ({ socketUrl }: ClusterNode): Promise<Client> => {
    const client = await Client.connect(socketUrl);
    clients.push(client);
    return client;
  };
  /** Two nodes, one of which reaches Redis over a path whose connections can be told apart. */
  const nodes = async (behindPath: 'a' | 'b'): Promise<[ClusterNode, ClusterNode]> => {
    stage = await openStage();
    path = closeLater(await FaultProxy.start(stage.redis.port));
    const over = { REDIS_URL: `redis://127.0.0.1:${path.port}` };
    const a = await stage.nodeInside(behindPath === 'a' ? over : {});
    const b = await stage.nodeInside(behindPath === 'b' ? over : {});
    await stage.ready();
    return [a, b];
  };
  /** The connection of the node behind the path, for commands or for messages, as Redis has it now. */
  const connectionOf = async (
    type: 'normal' | 'pubsub',
  ): Promise<ProxiedConnection | undefined> => {
    const list = await stage.redis.ask((client) => client.call('CLIENT', 'LIST', 'TYPE', type));
    const addresses = String(list).matchAll(/ addr=127\.0\.0\.1:(\d+)/g);
    const ports = new Set([...addresses].map(([, port]) => Number(port)));
    return path.connections.find(({ isOpen, sourcePort }) => isOpen && ports.has(sourcePort ?? 0));
  };

  often(
    'are told what is new although messages do not come, and then by messages again',
    async () => {
      const [a, b] = await nodes('b');
      const on = await readOnBoth(stage, a, b, 2);
      const deaf = await connectionOf('pubsub');
      deaf?.stall();
      // It reads what it does not hear, at each beat.
      const before = on.all.map(({ chars }) => chars);
      await until(() => on.all.every(({ oracle }, at) => oracle.read > before[at]! + 100));
      // A connection that answers nothing is given up.
      await until(async () => {
        const hears = await connectionOf('pubsub');
        return hears !== undefined && hears !== deaf;
      });
      await expectWhole(on);
    },
  );

  often('wait where they are, where they have seen more than the copy has', async () => {
    const [a, b] = await nodes('a');
    const here = await connect(a);
    const there = await connect(b);
    const { generationId } = await here.accepted('generate', { prompt: 'x' });
    const request = (await stage.upstream.nextCall()).text('1 ');
    await there.ask('join', { generationId, after: 0 });
    await there.until(() => there.text(generationId) === '1 ');
    // Redis hears its owner, which hears no answer: it sends nothing more before that is too late.
    const stalled = await connectionOf('normal');
    stalled?.stall();
    request.text('2 ');
    await there.until(() => there.text(generationId) === '1 2 ');
    request.text('3 ').text('4 ');
    await here.until(() => here.text(generationId) === '1 2 3 4 ');
    const moved = await connect(b);
    const ahead = await moved.ask('join', { generationId, after: 4 });
    expect(ahead).toMatchObject({ ok: true });
    expect(await moved.ask('join', { generationId, after: 9 })).toMatchObject({
      ok: false,
      error: { code: 'invalid_request' },
    });
    stalled?.resume();
    request.text('5 ').done();
    await moved.ended(generationId);
    expect(moved.text(generationId)).toBe('5 ');
    expect(moved.of(generationId).map(({ from, seq }) => from ?? seq)[0]).toBe(5);
    await there.ended(generationId);
    expect(there.text(generationId)).toBe('1 2 3 4 5 ');
  });
});
