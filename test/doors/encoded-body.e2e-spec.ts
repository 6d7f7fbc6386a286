import { gzipSync } from 'node:zlib';
import { startApp } from '../support/app.js';

const BODY = gzipSync(JSON.stringify({ model: 'llama3.2', messages: [] }));

describe.each(['', '/chat'])('a compressed body, below %j', (base) => {
  it.each<[string, unknown]>([
    [
      '/v1/chat/completions',
      {
        error: expect.objectContaining({
          message: expect.stringContaining('content encoding'),
          code: 'unsupported_media_type',
        }),
      },
    ],
    ['/api/chat', { error: expect.stringContaining('content encoding'), code: expect.any(String) }],
    ['/ai/chat', expect.stringMatching(/content encoding.*\(unsupported_media_type\)$/)],
    ['/llm/chat', expect.objectContaining({ code: 'unsupported_media_type', statusCode: 415 })],
  ])('is refused in the shape of its door: %s', async (path, shape) => {
    const app = await startApp({ BASE_PATH: base });
    try {
      const answer = await fetch(app.url + base + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
        body: BODY,
      });
      const text = await answer.text();
      expect(answer.status).toBe(415);
      const isJson = answer.headers.get('content-type')?.startsWith('application/json') === true;
      expect(isJson ? JSON.parse(text) : text).toEqual(shape);
    } finally {
      await app.close();
    }
  });
});
