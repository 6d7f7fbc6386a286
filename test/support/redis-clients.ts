import { randomUUID } from 'node:crypto';
import { RedisClient } from '../../src/cluster/redis.js';
import { RedisServer } from './redis-server.js';

/** A Redis for the tests of this `describe`. @returns opens a connection, which is closed after them */
export function redisClients(program: string): (prefix?: string) => Promise<RedisClient> {
  let server: RedisServer;
  const clients: RedisClient[] = [];
  beforeAll(async () => {
    server = await RedisServer.start(program);
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await server?.close();
  });
  // With a prefix of its own: what one test leaves, no other one meets.
  return async (prefix = `${randomUUID()}:`) => {
    const client = new RedisClient([server.url], prefix);
    clients.push(client);
    await client.connect();
    return client;
  };
}
