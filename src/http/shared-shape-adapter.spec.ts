import type { AddressInfo } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SharedShapeAdapter } from './shared-shape-adapter.js';

describe('the adapter of Express', () => {
  it('makes requests and responses that need no other prototype', async () => {
    const adapter = new SharedShapeAdapter();
    adapter.initHttpServer({});
    const app = adapter.getInstance();
    const server = adapter.getHttpServer();
    const made: object[] = [];
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
      made.push(Object.getPrototypeOf(request), Object.getPrototypeOf(response)),
    );
    app.get('/word', (_request: unknown, response: { json(value: unknown): void }) =>
      response.json('word'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const answer = await fetch(`http://127.0.0.1:${port}/word`);
      expect(await answer.json()).toBe('word');
      expect(made[0]).toBe(app.request);
      expect(made[1]).toBe(app.response);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
