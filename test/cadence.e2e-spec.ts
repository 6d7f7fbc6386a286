import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { BURST } from '../src/cast/event-budget.js';
import { Client, textOf } from './support/client.js';
import { call } from './support/rest.js';
import { Stage } from './support/stage.js';

/** Events a second beyond the burst, of a model that is faster than a screen. */
const MOST_A_SECOND = 60;

describe('a fast model', () => {
  let stage: Stage;
  let client: Client;

  beforeEach(async () => {
    stage = await Stage.open();
    client = await Client.connect(stage.app.socketUrl);
  });
  afterEach(async () => {
    client?.close();
    await stage?.close();
  });

  /** Writes a piece about each millisecond. @returns the text */
  async function write(
    upstream: { text(piece: string): unknown },
    pieces: number,
  ): Promise<string> {
    let text = '';
    for (let piece = 1; piece <= pieces; piece++) {
      upstream.text(`${piece}é `);
      text += `${piece}é `;
      // eslint-disable-next-line no-await-in-loop
      await sleep(1);
    }
    return text;
  }

  it('comes in at most 60 events a second, neighbouring text merged, nothing lost', async () => {
    const { body } = await call('POST', `${stage.app.url}/llm/generate`, {
      clientId: client.id,
      prompt: 'count',
    });
    const upstream = await stage.upstream.nextCall();
    const begun = performance.now();
    const text = await write(upstream, 1_500);
    upstream.done();
    const end = await client.ended(body.generationId as string);
    const seconds = (performance.now() - begun) / 1_000;
    const records = client.of(body.generationId as string);
    expect(records.map(textOf).join('')).toBe(text);
    expect(end).toMatchObject({
      state: 'completed',
      sha256: createHash('sha256').update(text).digest('hex'),
    });
    let last = 0;
    for (const { seq, from = seq } of records) {
      expect(from).toBe(last + 1);
      last = seq;
    }
    expect(last).toBe(1_502);
    // The first ones, 60 a second, and the last two.
    expect(records.length).toBeLessThanOrEqual(BURST + seconds * MOST_A_SECOND * 1.1 + 5);
    expect(records.slice(0, BURST / 2).every(({ from }) => from === undefined)).toBe(true);
  });

  it('can be cancelled between two reads, and its connection is used again', async () => {
    const start = async (): Promise<string> =>
      (
        await call('POST', `${stage.app.url}/llm/generate`, {
          clientId: client.id,
          prompt: 'count',
        })
      ).body.generationId as string;
    const first = await start();
    const upstream = await stage.upstream.nextCall();
    await write(upstream, 100);
    const { body } = await call('DELETE', `${stage.app.url}/llm/generations/${first}`);
    expect(body).toMatchObject({ state: 'cancelled' });
    for (let again = 0; again < 3; again++) {
      const id = await start();
      const next = await stage.upstream.nextCall();
      const text = await write(next, 200);
      next.done();
      await client.ended(id);
      expect(client.of(id).map(textOf).join('')).toBe(text);
    }
  });
});
