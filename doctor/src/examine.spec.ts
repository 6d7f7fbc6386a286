import { getEventListeners, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CHECKS, examine } from './examine.js';
import type { Finding } from './finding.js';

describe('a check that breaks itself', () => {
  // Its pages could not say where the socket is.
  const page = { socketUrl: 'http://', socketPort: 4321, model: 'x', allowPull: false };
  const answers: Record<string, unknown> = {
    '/health/live': { status: 'ok' },
    '/page.json': page,
    '/health/ready': { status: 'ok', upstreams: [] },
  };
  const odd = createServer(({ url = '' }, response) => {
    response.writeHead(url in answers ? 200 : 404).end(JSON.stringify(answers[url] ?? {}));
  });
  beforeAll(() => once(odd.listen(0, '127.0.0.1'), 'listening'));
  afterAll(() => {
    odd.closeAllConnections();
    odd.close();
  });

  it('is a finding like others, and the run goes on to its last check and leaves nothing behind', async () => {
    const url = `http://127.0.0.1:${(odd.address() as AddressInfo).port}`;
    const findings: Finding[] = [];
    const { signal } = new AbortController();
    for await (const finding of examine(url, { origin: url, signal })) findings.push(finding);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(findings.find(({ id }) => id === 'socket')).toMatchObject({
      status: 'failed',
      what: 'This check itself failed: TypeError: Invalid URL',
    });
    expect(findings.at(-1)?.id).toBe('idle');
  });
});

describe('a server that never answers', () => {
  let asked = 0;
  const silent = createServer(() => asked++);
  let url: string;
  beforeAll(async () => {
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    silent.closeAllConnections();
    silent.close();
  });

  it('is waited for as long as the limit of the check, and nothing more is asked of it', async () => {
    const since = performance.now();
    const findings: Finding[] = [];
    for await (const finding of examine(url, { origin: url })) findings.push(finding);
    const took = performance.now() - since;
    expect(took).toBeGreaterThanOrEqual(CHECKS[0]!.limitMs - 100);
    expect(findings.map(({ status }) => status)).toEqual([
      'failed',
      ...findings.slice(1).map(() => 'skipped'),
    ]);
    expect(asked).toBe(1);
  });

  it('is left at once when the caller aborts, also in a browser of 2023', async () => {
    const any = Object.getOwnPropertyDescriptor(AbortSignal, 'any')!;
    Reflect.deleteProperty(AbortSignal, 'any');
    const reason = new Error('enough');
    const controller = new AbortController();
    try {
      const next = examine(url, { origin: url, signal: controller.signal }).next();
      setTimeout(() => controller.abort(reason), 50);
      await expect(next).rejects.toBe(reason);
    } finally {
      Object.defineProperty(AbortSignal, 'any', any);
    }
  });
});
