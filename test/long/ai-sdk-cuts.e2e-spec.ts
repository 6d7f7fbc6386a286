import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';

/** How often connections are cut, in all; each after a random number of bytes. */
const CUTS = 1_000;
/** Clients that read at a time, each its own answer. */
const CLIENTS = 10;
const MOST_BYTES = 400;
/** Of an answer: with so many each client is cut more than a hundred times. */
const TOKENS = 320;

/** A generator of numbers below 1 that says the same each time (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The whole frames of a piece of a stream; what a cut has left of one is no frame. */
function framesIn(said: string): string[] {
  return said
    .split('\n\n')
    .slice(0, -1)
    .filter((frame) => frame.startsWith('data: {'))
    .map((frame) => frame.slice('data: '.length));
}

/** Reads a response, and closes it after so many bytes. */
async function readUntilCut(response: Response, most: number): Promise<string> {
  let said = '';
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    said += decoder.decode(piece as Uint8Array, { stream: true });
    if (said.length >= most) return said.slice(0, most);
  }
  return said;
}

describe('an answer that is read by its index', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      MAX_CONCURRENT: CLIENTS,
      LIMIT_JOINS_PER_10S: 0,
    });
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  it(`loses nothing and repeats nothing in ${CUTS} cuts`, async () => {
    const counts = await Promise.all(
      Array.from({ length: CLIENTS }, async (_, client) => {
        const next = random(client + 1);
        const asked = fetch(`${app.url}/ai/chat`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            messages: [{ role: 'user', parts: [{ type: 'text', text: 'x' }] }],
          }),
        });
        const request = await upstream.nextCall();
        let all = '';
        const write = (async () => {
          for (let at = 0; at < TOKENS; at++) {
            all += ` w${at}`;
            request.text(` w${at}`);
            if (at % 20 === 0) await sleep(5);
          }
          request.done();
        })();
        const first = await asked;
        const id = first.headers.get('x-workflow-run-id');
        const got = framesIn(await readUntilCut(first, next() * MOST_BYTES));
        let cuts = 1;
        while (!got.some((frame) => frame.includes('"type":"finish"'))) {
          const part = await fetch(`${app.url}/ai/chat/${id}/stream?startIndex=${got.length}`);
          const frames = framesIn(await readUntilCut(part, next() * MOST_BYTES));
          got.push(...frames);
          cuts++;
        }
        await write;
        const frames = got.map((frame) => JSON.parse(frame) as { type: string; delta?: string });
        expect(frames.map(({ delta = '' }) => delta).join('')).toBe(all);
        expect(frames.filter(({ type }) => type === 'start')).toHaveLength(1);
        return cuts;
      }),
    );
    expect(counts.reduce((sum, cuts) => sum + cuts, 0)).toBeGreaterThanOrEqual(CUTS);
  });
});
