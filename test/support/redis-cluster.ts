import { freePort } from './free-port.js';
import { RedisServer } from './redis-server.js';
import { until } from './until.js';

/** Slots of a Redis Cluster. */
const SLOTS = 16_384;

/** So many masters, which are one Redis Cluster. */
export async function redisCluster(program: string, count: number): Promise<RedisServer[]> {
  const masters: RedisServer[] = [];
  for (let at = 0; at < count; at++) {
    // By itself it takes the port that lies 10,000 above its own: another program may have that one.
    const bus = await freePort();
    const options = ['--cluster-enabled', 'yes', '--cluster-port', String(bus)];
    const master = await RedisServer.start(program, ...options);
    const from = Math.ceil((at * SLOTS) / count);
    const to = Math.ceil(((at + 1) * SLOTS) / count) - 1;
    await master.ask((client) => client.call('CLUSTER', 'ADDSLOTSRANGE', from, to));
    const meet = ['MEET', '127.0.0.1', master.port, bus];
    await masters[0]?.ask((client) => client.call('CLUSTER', ...meet));
    masters.push(master);
  }
  await until(async () => {
    const said = await Promise.all(
      masters.map((one) => one.ask((client) => client.call('CLUSTER', 'INFO'))),
    );
    return said.every((info) => String(info).includes('cluster_state:ok'));
  });
  return masters;
}
