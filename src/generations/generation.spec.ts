import { Observable, Subject } from 'rxjs';
import type { Part } from '../cast/part.js';
import { CastError } from '../protocol/errors.js';
import type { StreamRecord } from '../protocol/records.js';
import { Generation, type GenerationOptions } from './generation.js';

const options: GenerationOptions = {
  id: 'k3JvX0d1Qm6c7Tq2Zr9s_A',
  endpoint: 'generate',
  model: 'llama3.2',
  user: undefined,
  keep: true,
  maxOutputBytes: 1000,
  queueTimeoutMs: 60_000,
  timeoutMs: 60_000,
  abandonAfterMs: 60_000,
  onGrow: () => undefined,
  onEnd: () => undefined,
};
const text = (said: string): Part => ({ type: 'text', text: said, createdAt: '' });
const done: Part = { type: 'done', reason: 'stop', usage: null, statistics: {}, createdAt: '' };

/** A generation with its upstream in the test's hand, and all it told a reader. */
function started(over: Partial<GenerationOptions> = {}) {
  const ends: Generation[] = [];
  const generation = new Generation({ ...options, ...over, onEnd: (ended) => ends.push(ended) });
  const told: (StreamRecord | string)[] = [];
  generation
    .read(
      {
        writable: true,
        write: (record) => told.push(record),
        state: ({ state }) => told.push(state),
      },
      0,
    )
    .advance();
  const upstream = new Subject<Part[]>();
  let aborted = false;
  const over$ = generation.run('ollama', 1, (signal) => {
    signal.addEventListener('abort', () => (aborted = true));
    return upstream;
  });
  void over$.then((error) => generation.end(error));
  return { generation, told, ends, upstream, isAborted: () => aborted };
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a generation', () => {
  it('writes its terminal record only when the upstream request is over, and says how long that took', async () => {
    const { generation, told, upstream, isAborted } = started();
    upstream.next([text('Hel')]);
    const cancelled = generation.cancel();
    expect(isAborted()).toBe(true);
    expect(generation.state).toBe('cancelling');
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(generation.log.terminal).toBeUndefined();
    upstream.error(new Error('aborted'));
    const terminal = await cancelled;
    expect(terminal).toMatchObject({ state: 'cancelled', reason: 'client', seq: 2 });
    expect(terminal).toMatchObject({ upstreamClosedMs: expect.any(Number) });
    if (terminal.state === 'cancelled') expect(terminal.upstreamClosedMs).toBeGreaterThan(50);
    expect(told.at(-1)).toEqual(terminal);
  });

  it('takes nothing from an upstream that goes on after the cancel', async () => {
    const { generation, upstream } = started();
    upstream.next([text('a')]);
    void generation.cancel();
    upstream.next([text('b')]);
    upstream.complete();
    await generation.ended;
    expect(generation.view().text).toBe('a');
  });

  it('is not changed by a cancel once the last chunk is in the log', async () => {
    const { generation, upstream, isAborted } = started();
    upstream.next([text('a'), done]);
    const cancelled = generation.cancel();
    expect(isAborted()).toBe(false);
    upstream.complete();
    expect(await cancelled).toMatchObject({ state: 'completed', finishReason: 'stop' });
  });

  it('ends exactly once, whoever asks again', async () => {
    const { generation, told, ends, upstream } = started();
    upstream.next([text('a')]);
    const answers = [generation.cancel(), generation.interrupt(), generation.cancel()];
    upstream.complete();
    const [first, ...others] = await Promise.all(answers);
    for (const other of others) expect(other).toBe(first);
    await turn();
    generation.end(new CastError('internal'));
    expect(told.filter((one) => typeof one === 'object' && 'state' in one)).toEqual([first]);
    expect(ends).toEqual([generation]);
  });

  it('tells its state before each record that it explains, and nothing after the last one', async () => {
    const { generation, told, upstream } = started();
    upstream.next([text('a')]);
    upstream.next([done]);
    upstream.complete();
    await generation.ended;
    expect(told.map((one) => (typeof one === 'string' ? one : one.seq))).toEqual([
      'starting',
      'streaming',
      1,
      2,
      'completed',
      3,
    ]);
  });

  it('keeps the text up to MAX_OUTPUT_BYTES, and ends the upstream request', async () => {
    const { generation, upstream, isAborted } = started({ maxOutputBytes: 5 });
    upstream.next([text('12345'), text('6'), done]);
    expect(isAborted()).toBe(true);
    upstream.error(new Error('aborted'));
    expect(await generation.ended).toMatchObject({
      state: 'failed',
      code: 'output_too_large',
      retryable: false,
      bytes: 5,
    });
    expect(generation.view().text).toBe('12345');
  });

  it('calls what is not an error of the contract `internal`', async () => {
    const { generation, upstream } = started();
    upstream.error(new TypeError('a mistake of ours'));
    expect(await generation.ended).toMatchObject({ code: 'internal', detail: expect.any(String) });
    expect(JSON.stringify(generation.log.terminal)).not.toContain('mistake of ours');
  });

  it('ends at once, without an upstream request, while it waits', async () => {
    const generation = new Generation(options);
    expect(await generation.cancel()).toMatchObject({ state: 'cancelled', seq: 1 });
  });
});

describe('an Observable that throws on subscription', () => {
  it('is a failed generation, not a crash', async () => {
    const generation = new Generation(options);
    const error = await generation.run(
      'ollama',
      1,
      () =>
        new Observable(() => {
          throw new TypeError('a mistake');
        }),
    );
    expect(error).toMatchObject({ code: 'internal' });
    generation.end(error);
  });
});
