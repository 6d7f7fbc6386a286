import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Patient } from './patient.js';
import { checkStore } from './store-check.js';

const GOOD = {
  latencyMs: 0.4,
  version: '7.0.15',
  maxMemoryPolicy: 'noeviction',
  isPersistent: true,
};

describe('what the doctor says of Redis', () => {
  let store: object | undefined;
  const server = createServer((_request, response) => {
    response.writeHead(store === undefined ? 404 : 200).end(JSON.stringify({ store }));
  });
  beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const examined = async (of: object | undefined): Promise<[string, string | undefined][]> => {
    store = of;
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const verdicts = await checkStore(
      new Patient(url, url, undefined),
      new AbortController().signal,
    );
    return verdicts.map(({ status, mend }) => [status, mend?.lines]);
  };

  it('is nothing where the server is alone, or does not say', async () => {
    expect(await examined(undefined)).toEqual([]);
    expect(await examined({ ...GOOD, version: null })).toEqual([]);
  });

  it('is that all is well where it is', async () => {
    expect(await examined(GOOD)).toEqual([['ok', undefined]]);
  });

  it.each([
    ['is too old', { version: '6.2.1' }, 'failed', undefined],
    ['forgets', { maxMemoryPolicy: 'allkeys-lru' }, 'warning', /maxmemory-policy noeviction/],
    ['is not persistent', { isPersistent: false }, 'warning', /appendonly yes/],
    ['is slow', { latencyMs: 120 }, 'warning', /--latency/],
  ])('tells how to mend one that %s', async (_what, change, status, lines) => {
    const [verdict, ...others] = await examined({ ...GOOD, ...change });
    expect(others).toEqual([]);
    expect(verdict?.[0]).toBe(status);
    if (lines !== undefined) expect(verdict?.[1]).toMatch(lines);
  });
});
