import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Patient } from './patient.js';
import { checkStream } from './rest-checks.js';

/** Longer than one read takes, so that each piece is one of its own. */
const BETWEEN_MS = 100;

async function send(pieces: readonly string[], response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const piece of pieces) {
    response.write(piece);
    await sleep(BETWEEN_MS);
  }
  response.end();
}

describe('the events of a stream', () => {
  it('are counted right when the network cuts them in the middle of a field name', async () => {
    const pieces = Array.from({ length: 5 }, () => ['da', 'ta: {}\n\n']).flat();
    const server = createServer((_request, response) => void send(pieces, response));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const verdict = await checkStream(new Patient(url, url), new AbortController().signal);
      expect(verdict.what).toMatch(/^5 events, sent over 800 ms, arrived over \d+ ms\.$/);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
