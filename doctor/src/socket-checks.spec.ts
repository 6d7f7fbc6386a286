import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Patient } from './patient.js';
import { checkSocket } from './socket-checks.js';

const withSocket = (restUrl: string, socketUrl: string | null): Patient => {
  const patient = new Patient(restUrl, restUrl);
  patient.page = { socketUrl, socketPort: 4321, model: 'x', allowPull: false };
  return patient;
};

describe('where pages look for Socket.IO', () => {
  it.each([
    ['http://localhost:3000', null, 'http://localhost:4321'],
    ['https://llm.example.com', null, 'https://llm.example.com:4321'],
    ['https://llm.example.com', 'https://llm.example.com/', 'https://llm.example.com'],
    ['http://[::1]:3000', null, 'http://[::1]:4321'],
    // One port for both, whatever name a proxy gives it.
    ['https://llm.example.com:8443', '/', 'https://llm.example.com:8443'],
  ])('for %s and %j it is %s', (restUrl, socketUrl, expected) => {
    expect(withSocket(restUrl, socketUrl).socketUrl).toBe(expected);
  });
});

describe('a socket over plain HTTP for a page over https', () => {
  it('is what browsers refuse, and nothing is asked', async () => {
    const patient = withSocket('https://llm.example.com', 'http://llm.example.com:4321');
    const verdict = await checkSocket(patient, AbortSignal.abort());
    expect(verdict.status).toBe('failed');
    expect(verdict.what).toMatch(/Browsers open no connection to http:\/\/llm\.example\.com:4321/);
    expect(verdict.mend?.lines).toBe('PUBLIC_SOCKET_URL=https://llm.example.com');
  });

  it('is mended by the proxy that ends TLS, where the port itself does not', async () => {
    const plain = createServer((_request, response) => response.end()).listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const { port } = plain.address() as AddressInfo;
    try {
      const patient = withSocket('https://127.0.0.1:1', `https://127.0.0.1:${port}`);
      const verdict = await checkSocket(patient, new AbortController().signal);
      expect(verdict.what).toBe(`127.0.0.1:${port} does not speak TLS.`);
      expect(verdict.mend?.lines).toMatch(
        /^PUBLIC_SOCKET_URL=https:\/\/127.*\n\nlocation \/socket/,
      );
    } finally {
      plain.closeAllConnections();
      plain.close();
    }
  });

  it('is no fault on this machine, which browsers trust', async () => {
    const patient = withSocket('https://localhost', 'http://localhost:4321');
    await expect(checkSocket(patient, AbortSignal.abort())).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});
