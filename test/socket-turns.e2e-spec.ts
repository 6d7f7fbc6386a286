import { setTimeout as sleep } from 'node:timers/promises';
import { Client, textOf } from './support/client.js';
import { FaultProxy } from './support/fault-proxy.js';
import { Stage } from './support/stage.js';

const MB = 1_000_000;
/** A long answer, and a line that takes six seconds for it. */
const PIECE = 'x'.repeat(10_000);
const PIECES = 1_200;
const BYTES_PER_MS = 2_000;
/** The live answer says something so often. */
const LIVE_MS = 20;
/** What may come of the replay before the live answer is first heard: 300 ms of that line. */
const FIRST_BYTES = 300 * BYTES_PER_MS;
/** What may come of it between two events of the live answer: 2.5 s of that line. */
const SILENT_BYTES = 2_500 * BYTES_PER_MS;

describe('the readers of one socket take turns', () => {
  let stage: Stage;
  let proxy: FaultProxy;

  beforeAll(async () => {
    stage = await Stage.open({ MAX_CONCURRENT: 2 });
    proxy = await FaultProxy.start(Number(new URL(stage.app.socketUrl).port));
  });
  afterAll(async () => {
    await proxy?.close();
    await stage?.close();
  });

  it('a live answer keeps arriving beside a replay of 12 MB on a line of 2 MB/s', async () => {
    const owner = await stage.connect();
    const long = await stage.generate(owner, { onDisconnect: 'keep' });
    for (let count = 0; count < PIECES; count++) long.request.text(PIECE);
    long.request.done();
    await owner.ended(long.id);

    proxy.bytesPerMs = BYTES_PER_MS;
    const client = await Client.connect(proxy.url, { transports: ['websocket'] });
    const live = await stage.generate(client);
    const over = new AbortController();
    const said = (async () => {
      let count = 0;
      for (; !over.signal.aborted; count++) {
        live.request.text(` ${count}`);
        await sleep(LIVE_MS);
      }
      live.request.done();
      return count;
    })();
    let before = 0;
    try {
      await client.until(() => client.of(live.id).length > 0);
      before = client.records.length;
      await client.accepted('join', { generationId: long.id, after: 0 });
      await client.ended(long.id);
    } finally {
      over.abort();
    }
    await client.ended(live.id);

    // Bytes of the replay before each event of the live answer.
    const gaps: number[] = [];
    let replayed = 0;
    for (const record of client.records.slice(before)) {
      if (record.generationId === long.id) {
        if ('state' in record) break;
        replayed += textOf(record).length;
      } else {
        gaps.push(replayed);
        replayed = 0;
      }
    }
    expect(gaps.length).toBeGreaterThanOrEqual(3);
    expect(gaps[0]).toBeLessThan(FIRST_BYTES);
    expect(Math.max(...gaps)).toBeLessThan(SILENT_BYTES);
    expect(client.text(long.id)).toHaveLength(12 * MB);
    expect(client.text(live.id)).toBe(
      Array.from({ length: await said }, (_, at) => ` ${at}`).join(''),
    );
    client.close();
  });
});
