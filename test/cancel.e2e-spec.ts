import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import type { RunningServer } from '../src/server.js';
import { type Client, textOf } from './support/client.js';
import { Oracle } from './support/oracle.js';
import { type Answer, call } from './support/rest.js';
import type { ScriptedUpstream, UpstreamCall } from './support/scripted-upstream.js';
import { Stage } from './support/stage.js';
import { within } from './support/until.js';

/** At once, on a machine that others use too. */
const SOON_MS = 5_000;

describe('cancel', () => {
  let stage: Stage;
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let client: Client;

  beforeAll(async () => {
    stage = await Stage.open();
    ({ upstream, app } = stage);
    client = await stage.connect();
  });
  afterAll(() => stage?.close());

  const start = () => stage.generate(client);
  const view = (id: string): Promise<Answer> => call('GET', `${app.url}/llm/generations/${id}`);
  const remove = (id: string): Promise<Answer> =>
    call('DELETE', `${app.url}/llm/generations/${id}`);
  const streamed = async (
    id: string,
    request: UpstreamCall,
    ...pieces: string[]
  ): Promise<void> => {
    for (const piece of pieces) request.text(piece);
    await client.until(() => client.text(id) === pieces.join(''));
  };

  /** Cancels in one of the two ways. @returns the state it was answered with */
  const ways: Record<string, (id: string) => Promise<string>> = {
    'the socket event': async (generationId) => {
      const ack = await client.accepted('cancel', { generationId });
      const [terminal, answered] = [
        client.log.findIndex(({ payload }) => payload === client.of(generationId).at(-1)),
        client.log.findIndex(({ payload }) => payload === ack),
      ];
      // The ack comes after the terminal record.
      expect(client.of(generationId).at(-1)).toHaveProperty('state');
      expect(terminal).toBeLessThan(answered);
      return ack.state;
    },
    DELETE: async (id) => {
      const { status, body } = await remove(id);
      expect(status).toBe(200);
      // It answers with the terminal record's own fields, so that record was there.
      expect(body).toMatchObject({ generationId: id, sha256: expect.any(String) });
      return body.state;
    },
  };
  /** Brings the upstream's answer to some point. @returns the text that was streamed by then */
  const windows: Record<string, (id: string, request: UpstreamCall) => Promise<string>> = {
    'before the headers': async () => '',
    'after the headers and before the first token': async (_, request) => {
      request.head();
      await sleep(50);
      return '';
    },
    'in mid-stream': async (id, request) => {
      await streamed(id, request, 'The', ' blué', ' 😀');
      return 'The blué 😀';
    },
  };
  const cases = Object.keys(ways).flatMap((way) =>
    Object.keys(windows).map((window) => [way, window] as const),
  );

  it.each(cases)('by %s %s closes the upstream at once and then ends', async (way, window) => {
    const { id, request } = await start();
    const text = await windows[window]!(id, request);
    expect(await within(SOON_MS, ways[way]!(id))).toBe('cancelled');
    await within(SOON_MS, request.closed);
    expect(request.isOpen).toBe(false);

    const terminal = await client.ended(id);
    expect(terminal).toEqual({
      generationId: id,
      seq: client.of(id).length,
      message: 'Streaming cancelled',
      state: 'cancelled',
      reason: 'client',
      upstreamClosedMs: expect.any(Number),
      bytes: Buffer.byteLength(text),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect((await view(id)).body).toMatchObject({ ...terminal, text });
    expect(client.of(id).filter((record) => 'state' in record)).toEqual([terminal]);
    expect(client.of(id).at(-1)).toEqual(terminal);
  });

  it('asked for again, in either way or at the same time, answers the same', async () => {
    const { id, request } = await start();
    await streamed(id, request, 'once');
    const [first, second] = await Promise.all([remove(id), remove(id)]);
    // The socket may hear of the end later than REST.
    await client.ended(id);
    const { records } = client;
    const count = records.length;
    expect(await ways['the socket event']!(id)).toBe('cancelled');
    const third = await remove(id);
    expect(first).toMatchObject({ status: 200, body: { state: 'cancelled', text: 'once' } });
    expect([second.body, third.body]).toEqual([first.body, first.body]);
    expect(records).toHaveLength(count);
  });

  it('after the end changes nothing', async () => {
    const { id, request } = await start();
    request.text('whole').done();
    const terminal = await client.ended(id);
    expect(await ways['the socket event']!(id)).toBe('completed');
    expect(await ways['DELETE']!(id)).toBe('completed');
    expect((await view(id)).body).toMatchObject({ ...terminal, text: 'whole' });
    expect(client.of(id).at(-1)).toEqual(terminal);
  });

  it('of a generation that there is not is generation_not_found', async () => {
    const generationId = 'AAAAAAAAAAAAAAAAAAAAAA';
    expect(await remove(generationId)).toMatchObject({
      status: 404,
      body: { statusCode: 404, code: 'generation_not_found' },
    });
    expect(await client.ask('cancel', { generationId })).toMatchObject({
      ok: false,
      error: { code: 'generation_not_found', retryable: false },
    });
  });

  it('racing the natural end gives exactly one end, and everyone the same', async () => {
    const delay = fc.integer({ min: 0, max: 6 });
    await fc.assert(
      fc.asyncProperty(delay, delay, fc.boolean(), async (endsAfter, cancelsAfter, bySocket) => {
        const oracle = new Oracle();
        const { id, request } = await start();
        oracle.sent('text', 'The sky');
        await streamed(id, request, 'The sky');
        const ends = sleep(endsAfter).then(() => {
          oracle.sent('text', ' is blue');
          request.text(' is blue').done();
        });
        await sleep(cancelsAfter);
        const state = await ways[bySocket ? 'the socket event' : 'DELETE']!(id);
        await ends;
        const terminal = await client.ended(id);
        expect((await view(id)).body).toMatchObject({ ...terminal });
        // A round trip on the socket: a second end would be here before its answer.
        await client.ask('cancel', { generationId: id });
        const reader = oracle.reader();
        for (const record of client.of(id)) reader.receive(record);
        expect(oracle.problems()).toEqual([]);
        expect(terminal.state).toBe(state);
        const isDone = client.of(id).some((record) => 'done' in record && record.done);
        expect(state).toBe(isDone ? 'completed' : 'cancelled');
        await client.until(() => upstream.open === 0);
      }),
      { numRuns: 50 },
    );
  });

  describe('when the upstream keeps its answer open after the last chunk', () => {
    const last = { model: 'llama3.2', created_at: 'now', response: '', done: true };

    it('does not wait for it: completed, and the connection is destroyed', async () => {
      const { id, request } = await start();
      request.text('all').line({ ...last, done_reason: 'stop' });
      expect(await client.ended(id)).toMatchObject({ state: 'completed', finishReason: 'stop' });
      await request.closed;
      expect(client.of(id).map(textOf)).toEqual(['all', '', '']);
    });

    it('comes too late in that moment', async () => {
      const { id, request } = await start();
      request.text('all').line({ ...last, done_reason: 'stop' });
      await client.until(() => client.of(id).length === 2);
      expect(await ways['the socket event']!(id)).toBe('completed');
      await request.closed;
    });
  });

  // The last test: whether its request reaches the upstream is left open.
  it('at once, whether or not the request has left, ends and leaves nothing open', async () => {
    const ack = await client.accepted('generate', { prompt: 'never mind' });
    expect(await ways['DELETE']!(ack.generationId)).toBe('cancelled');
    await client.ended(ack.generationId);
    await sleep(50);
    expect(upstream.open).toBe(0);
  });
});
