import { setTimeout as sleep } from 'node:timers/promises';
import { LEASE_MS } from './support/cluster-stage.js';
import { FaultProxy } from './support/fault-proxy.js';
import { expectKept, expectLost, faultSuite, readOnBoth } from './support/fault-suite.js';
import { Oracle } from './support/oracle.js';
import { call } from './support/rest.js';
import { SilentPath } from './support/silent-path.js';
import { until, within } from './support/until.js';

/** How long after its lease a dead node is named at the latest, in milliseconds. */
const NAMED_MS = 2_000;
/** More than a node takes over at one time. */
const MANY = 70;

faultSuite('nodes that fail', ({ often, stage: open, doomed, closeLater }) => {
  often(
    'names a killed node within its lease and two seconds, with all that was kept, and gives its slots to those who wait on others',
    async () => {
      const { stage, a, b, here, there, all } = await doomed({ env: { MAX_CONCURRENT: 4 } }, 4);
      const waits = await stage.connect(b);
      const oracle = new Oracle();
      const id = await waits.ask(oracle.reader(), 'waits');
      await until(() => waits.states.some(({ state }) => state === 'queued'));
      await a.program.kill();
      await within(LEASE_MS + NAMED_MS, expectLost(there, all));
      await expectKept(b, all);
      const request = await stage.upstream.nextCall();
      expect(request.body['prompt']).toBe('waits');
      oracle.sent('text', 'at last');
      request.text('at last').done();
      expect(await waits.ended(id)).toMatchObject({ state: 'completed' });
      expect(oracle.problems()).toEqual([]);
      // Its own clients come back elsewhere: they may have seen more than was kept, and get the end.
      await here.move(b.socketUrl);
      await expectLost(here, all);
      expect(stage.problems()).toEqual([]);
      for (const { oracle } of all) expect(oracle.lost).toBeLessThan(400);
    },
  );

  often('accepts nothing more of a node that was taken for dead and comes back', async () => {
    const { stage, a, b, here, there, all } = await doomed();
    a.program.child.kill('SIGSTOP');
    await expectLost(there, all);
    const kept = await Promise.all(
      all.map(async ({ id }) => (await call('GET', `${b.url}/llm/generations/${id}`)).body),
    );
    a.program.child.kill('SIGCONT');
    // Its own readers go on, and are then told the end.
    await expectLost(here, all);
    for (const [at, { id }] of all.entries()) {
      const { body } = await call('GET', `${b.url}/llm/generations/${id}`);
      expect(body).toEqual(kept[at]);
    }
    expect(stage.problems()).toEqual([]);
  });

  often(
    'ends all that a killed node ran, although that is more than is taken over at once',
    async () => {
      const stage = await open({ env: { MAX_CONCURRENT: 200, MAX_QUEUE: 200 } });
      const [a, b] = await Promise.all([stage.node(), stage.nodeInside()]);
      await stage.ready();
      const [here, there] = [await stage.connect(a), await stage.connect(b)];
      const all = await stage.ask(here, MANY);
      for (const { id, oracle, request } of all) {
        oracle.sent('text', 'begun');
        request.text('begun');
        await there.read(id, oracle.reader('who joined'));
      }
      await until(() => all.every(({ oracle }) => oracle.read === 'begun'.length));
      await a.program.kill();
      await expectLost(there, all);
      await here.move(b.socketUrl);
      await expectLost(here, all);
      expect(stage.problems()).toEqual([]);
    },
  );

  for (const [how, make] of [
    ['is refused by', refusing],
    ['hears nothing of', silent],
  ] as const) {
    often(`goes on where the owner alone ${how} Redis, and is then told its end`, async () => {
      const stage = await open();
      const path = closeLater(await make(stage.redis.port));
      const a = await stage.nodeInside({ REDIS_URL: `redis://127.0.0.1:${path.port}` });
      const b = await stage.nodeInside();
      await stage.ready();
      const { here, there, all } = await readOnBoth(stage, a, b);
      path.cut();
      await expectLost(there, all);
      await stage.untilWritten(100);
      await until(
        async () => (await call('GET', `${a.url}/health/ready`)).body.status === 'no_store',
      );
      const refused = { prompt: 'x', onDisconnect: 'keep' };
      expect(await call('POST', `${a.url}/llm/generate`, refused)).toMatchObject({
        status: 503,
        body: { code: 'store_unavailable', retryable: true },
      });
      path.heal();
      await expectLost(here, all);
      await expectKept(b, all);
      expect(stage.problems()).toEqual([]);
      await until(async () => (await call('GET', `${a.url}/health/ready`)).status === 200);
    });
  }

  for (const [when, wait] of [
    ['half-way', 0],
    ['half-way, after it was taken for dead', 2 * LEASE_MS],
  ] as const) {
    often(`gives exactly one end where the adopter dies ${when}`, async () => {
      const stage = await open();
      const [a, b, c] = await Promise.all([stage.node(), stage.node(), stage.nodeInside()]);
      await stage.ready();
      const { here, there, all } = await readOnBoth(stage, a, c);
      const adopter = await stage.nodeIdOf(b);
      await b.program.kill();
      await sleep(wait);
      await a.program.kill();
      // As the second node would have done before it died: some are fenced, none has its end.
      for (const { id } of all.slice(0, 2)) {
        await stage.redis.ask((client) =>
          client
            .multi()
            .sadd(`lc:{${adopter}}:g`, id)
            .hset(`lc:{${id.slice(22)}}:m:${id}`, 'owner', adopter)
            .hincrby(`lc:{${id.slice(22)}}:m:${id}`, 'epoch', 1)
            .exec(),
        );
      }
      await expectLost(there, all);
      await here.move(c.socketUrl);
      await expectLost(here, all);
      expect(stage.problems()).toEqual([]);
      for (const { id } of all) {
        const kept = await stage.redis.ask((client) =>
          client.xrange(`lc:{${id.slice(22)}}:s:${id}`, '-', '+'),
        );
        const ends = kept?.filter(([, [, data = '']]) => data.includes('"z"')) ?? [];
        expect(ends).toHaveLength(1);
      }
    });
  }
});

/** A way to Redis that is cut, and healed. */
interface Path {
  readonly port: number;
  cut(): void;
  heal(): void;
  close(): Promise<void>;
}

async function refusing(port: number): Promise<Path> {
  const proxy = await FaultProxy.start(port);
  return {
    port: proxy.port,
    cut: () => {
      proxy.refusing = true;
      proxy.cut();
    },
    heal: () => (proxy.refusing = false),
    close: () => proxy.close(),
  };
}

async function silent(port: number): Promise<Path> {
  const path = await SilentPath.to(port);
  return {
    port: path.port,
    cut: () => path.silence(),
    heal: () => path.heal(),
    close: () => path.close(),
  };
}
