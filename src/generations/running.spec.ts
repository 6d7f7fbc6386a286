import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { Observable, Subject } from 'rxjs';
import { Cadence } from '../cast/cadence.js';
import { BURST } from '../cast/event-budget.js';
import type { Part } from '../cast/part.js';
import { CastError } from '../protocol/errors.js';
import type { Entry } from './log/entry.js';
import type { LogSink } from './log/reader.js';
import { type Limits, Running, type RunningEvents } from './running.js';

const facts = {
  id: 'k3JvX0d1Qm6c7Tq2Zr9s_A',
  endpoint: 'generate' as const,
  model: 'llama3.2',
  owner: undefined,
  createdAt: 0,
};
const limits: Limits = {
  keep: true,
  maxOutputBytes: 1000,
  queueTimeoutMs: 60_000,
  timeoutMs: 60_000,
  abandonAfterMs: 60_000,
};
const nobody = {
  onGrow: () => undefined,
  onFirst: () => undefined,
  onDelivered: () => undefined,
  onEnd: () => undefined,
};
const cadence = new Cadence();
const text = (said: string): Part => ({ type: 'text', text: said, createdAt: '' });
const done: Part = { type: 'done', reason: 'stop', usage: null, statistics: {}, createdAt: '' };

/** All that a test began: their timers end with it. */
const begun: Running[] = [];
afterEach(() => {
  for (const running of begun.splice(0)) running.end();
});

function run(over: Partial<Limits> = {}, events: Partial<RunningEvents> = {}): Running {
  const running = new Running(facts, { ...limits, ...over }, { ...nobody, ...events }, cadence);
  begun.push(running);
  running.drive();
  return running;
}

/** A reader that keeps all that it is told. */
class Listener implements LogSink {
  readonly door = 'sse';
  readonly writable = true;
  readonly told: (Entry | string)[] = [];
  readonly faults: unknown[] = [];

  write(entry: Entry): void {
    this.told.push(entry);
  }

  state({ state }: { state: string }): void {
    this.told.push(state);
  }

  fail(error: unknown): void {
    this.faults.push(error);
  }
}

/** A generation with its upstream in the test's hand, and all it told a reader. */
function started(over: Partial<Limits> = {}, events: Partial<RunningEvents> = {}) {
  const ends: Entry[] = [];
  const running = run(over, { onEnd: (end) => ends.push(end), ...events });
  const { generation } = running;
  const listener = new Listener();
  generation.read(listener, 0).advance();
  const upstream = new Subject<Part[]>();
  let aborted = false;
  const over$ = running.run('ollama', 1, (signal) => {
    signal.watch(() => (aborted = true));
    return upstream;
  });
  void over$.then((error) => running.end(error));
  const { told } = listener;
  return { running, generation, told, ends, upstream, isAborted: () => aborted };
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeAll(() => Logger.overrideLogger(false));

describe('a running generation', () => {
  it('writes its terminal record only when the upstream request is over, and says how long that took', async () => {
    const { generation, told, upstream, isAborted } = started();
    upstream.next([text('Hel')]);
    const cancelled = generation.cancel();
    expect(isAborted()).toBe(true);
    expect(generation.state).toBe('cancelling');
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(generation.log.end).toBeUndefined();
    upstream.error(new Error('aborted'));
    const end = await cancelled;
    expect(end).toMatchObject({ seq: 2, said: { state: 'cancelled', reason: 'client' } });
    expect(end.said).toMatchObject({ upstreamClosedMs: expect.any(Number) });
    if (end.said.state === 'cancelled') expect(end.said.upstreamClosedMs).toBeGreaterThan(50);
    expect(told.at(-1)).toEqual(end);
  });

  it('tells each piece by itself while the budget lasts, and then what came together as one', async () => {
    // With time the budget grows again.
    const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now());
    const { told, upstream } = started();
    const pieces = (count: number): Part[] => Array.from({ length: count }, () => text('a'));
    upstream.next(pieces(BURST));
    upstream.next(pieces(BURST));
    upstream.next([...pieces(3), { type: 'thinking', text: 'b', createdAt: '' }, text('c'), done]);
    upstream.complete();
    clock.mockRestore();
    await turn();
    const spans = told.flatMap((entry) =>
      typeof entry === 'string' ? [] : [[entry.from, entry.seq, entry.said.type]],
    );
    expect(spans).toEqual([
      ...Array.from({ length: BURST }, (_, at) => [at + 1, at + 1, 'text']),
      [BURST + 1, 2 * BURST, 'text'],
      [2 * BURST + 1, 2 * BURST + 3, 'text'],
      [2 * BURST + 4, 2 * BURST + 4, 'thinking'],
      [2 * BURST + 5, 2 * BURST + 5, 'text'],
      [2 * BURST + 6, 2 * BURST + 6, 'done'],
      [2 * BURST + 7, 2 * BURST + 7, 'end'],
    ]);
  });

  it('takes nothing from an upstream that goes on after the cancel', async () => {
    const { generation, upstream } = started();
    upstream.next([text('a')]);
    void generation.cancel();
    upstream.next([text('b')]);
    upstream.complete();
    await generation.ended;
    expect(generation.log.all('text')).toBe('a');
  });

  it('is not changed by a cancel once the last chunk is in the log', async () => {
    const { generation, upstream, isAborted } = started();
    upstream.next([text('a'), done]);
    const cancelled = generation.cancel();
    expect(isAborted()).toBe(false);
    upstream.complete();
    expect((await cancelled).said).toMatchObject({ state: 'completed', reason: 'stop' });
  });

  it('ends exactly once, whoever asks again', async () => {
    const { running, generation, told, ends, upstream } = started();
    upstream.next([text('a')]);
    const answers = [generation.cancel(), running.interrupt(), generation.cancel()];
    upstream.complete();
    const [first, ...others] = await Promise.all(answers);
    for (const other of others) expect(other).toBe(first);
    await turn();
    running.end(new CastError('internal'));
    expect(told.filter((one) => typeof one === 'object' && one.said.type === 'end')).toEqual([
      first,
    ]);
    expect(ends).toEqual([first]);
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
    expect((await generation.ended).said).toMatchObject({
      state: 'failed',
      code: 'output_too_large',
      retryable: false,
      bytes: 5,
    });
    expect(generation.log.all('text')).toBe('12345');
  });

  it('calls what is not an error of the contract `internal`', async () => {
    const { generation, upstream } = started();
    upstream.error(new TypeError('a mistake of ours'));
    expect((await generation.ended).said).toMatchObject({
      code: 'internal',
      detail: expect.any(String),
    });
    expect(JSON.stringify(generation.log.end)).not.toContain('mistake of ours');
  });

  it('ends at once, without an upstream request, while it waits', async () => {
    const { generation } = run();
    expect(await generation.cancel()).toMatchObject({ seq: 1, said: { state: 'cancelled' } });
  });
});

describe('an Observable that throws on subscription', () => {
  it('is a failed generation, not a crash', async () => {
    const running = run();
    const error = await running.run(
      'ollama',
      1,
      () =>
        new Observable(() => {
          throw new TypeError('a mistake');
        }),
    );
    expect(error).toMatchObject({ code: 'internal' });
    running.end(error);
  });
});

/** A sink that throws: at a certain entry, or when it is told a state. */
class Broken extends Listener {
  constructor(private readonly at: Entry['said']['type'] | 'state' | 'writable') {
    super();
  }

  override write(entry: Entry): void {
    if (entry.said.type === this.at) throw new Error('the door is broken');
    super.write(entry);
  }

  override state(state: { state: string }): void {
    if (this.at === 'state') throw new Error('the door is broken');
    super.state(state);
  }

  override fail(error: unknown): void {
    super.fail(error);
    throw new Error('and cannot be closed');
  }
}

describe('a reader that throws', () => {
  it.each(['text', 'done', 'end', 'state'] as const)(
    'on %s is dropped once; the others and the generation go on',
    async (at) => {
      const { generation, told, ends, upstream } = started();
      const broken = new Broken(at);
      const other = new Listener();
      generation.read(broken, 0).advance();
      generation.read(other, 0).advance();
      upstream.next([text('a')]);
      upstream.next([text('b'), done]);
      upstream.complete();
      const end = await generation.ended;
      expect(end.said).toMatchObject({ state: 'completed' });
      expect(ends).toEqual([end]);
      expect(broken.faults).toEqual([new Error('the door is broken')]);
      const heard = [1, 2, 3, 4];
      for (const all of [told, other.told]) {
        expect(all.flatMap((one) => (typeof one === 'object' ? [one.seq] : []))).toEqual(heard);
      }
    },
  );

  it('while it catches up is dropped too', () => {
    const { generation, upstream } = started();
    upstream.next([text('a')]);
    const broken = new Broken('text');
    generation.read(broken, 0).advance();
    expect(broken.faults).toHaveLength(1);
    upstream.next([text('b')]);
    expect(broken.faults).toHaveLength(1);
  });

  it('is no audience any more', async () => {
    const { generation, upstream } = started({ keep: false, abandonAfterMs: 20 });
    const broken = new Broken('text');
    // The first listener is still there.
    generation.read(broken, 0).advance();
    upstream.next([text('a')]);
    expect(generation.log.hasReaders).toBe(true);
    const alone = run({ keep: false, abandonAfterMs: 20 });
    const subject = new Subject<Part[]>();
    void alone.run('ollama', 1, () => subject).then((error) => alone.end(error));
    alone.generation.read(new Broken('text'), 0).advance();
    subject.next([text('a')]);
    const ended = alone.generation.ended;
    await new Promise((resolve) => setTimeout(resolve, 60));
    subject.complete();
    expect((await ended).said).toMatchObject({ state: 'cancelled', reason: 'abandoned' });
  });
});

describe('a follower', () => {
  it('hears every entry and state, in order with the readers', async () => {
    const { running, generation, told, upstream } = started();
    const heard: (Entry | string)[] = [];
    generation.follow({
      entry: (entry) => heard.push(entry),
      state: ({ state }) => heard.push(state),
    });
    upstream.next([text('a'), done]);
    upstream.complete();
    await generation.ended;
    running.reassure();
    // The first state was told before it came.
    expect(heard).toEqual(told.slice(1));
  });

  it('is no audience: what only followers watch is abandoned', async () => {
    const running = run({ keep: false, abandonAfterMs: 20 });
    running.generation.follow({});
    expect((await running.generation.ended).said).toMatchObject({ reason: 'abandoned' });
  });

  it('that throws is dropped, and harms nobody', async () => {
    const { generation, upstream } = started();
    let calls = 0;
    generation.follow({
      entry: () => {
        calls++;
        throw new Error('a follower is broken');
      },
    });
    upstream.next([text('a'), text('b'), done]);
    upstream.complete();
    expect((await generation.ended).said).toMatchObject({ state: 'completed' });
    expect(calls).toBe(1);
  });
});

describe('a generation that another node may have taken over', () => {
  /** Questions whether it still runs here, answered by the test. */
  const asking = () => {
    const asked: { answer: () => void }[] = [];
    const confirm = (): Promise<void> => new Promise((answer) => asked.push({ answer }));
    const seals: { end: Entry; answer: () => void }[] = [];
    const seal = (end: Entry): Promise<void> =>
      new Promise((answer) => seals.push({ end, answer }));
    return { asked, confirm, seals, seal };
  };

  it('says nothing before that is known, then all in its order', async () => {
    const { asked, confirm } = asking();
    const { told, upstream } = started({}, { confirm });
    upstream.next([text('a')]);
    upstream.next([text('b'), done]);
    upstream.complete();
    await turn();
    expect(told.filter((one) => typeof one !== 'string')).toEqual([]);
    expect(asked).toHaveLength(1);
    asked[0]?.answer();
    await turn();
    expect(told.flatMap((one) => (typeof one === 'string' ? [] : [one.said]))).toMatchObject([
      { text: 'a' },
      { text: 'b' },
      { type: 'done' },
      { state: 'completed' },
    ]);
  });

  it('tells its end when all nodes can know it, and nothing changes it meanwhile', async () => {
    const { seals, seal } = asking();
    const { running, generation, told, ends, upstream } = started({}, { seal });
    upstream.next([text('a'), done]);
    upstream.complete();
    await turn();
    generation.lose();
    void generation.cancel();
    void running.interrupt();
    running.end(new CastError('internal'));
    expect(told.at(-1)).toMatchObject({ said: { type: 'done' } });
    expect([generation.log.end, generation.state, ends]).toEqual([undefined, 'streaming', []]);
    expect(seals).toHaveLength(1);
    seals[0]?.answer();
    const end = await generation.ended;
    expect(end.said).toMatchObject({ state: 'completed', reason: 'stop' });
    expect([seals[0]?.end, told.at(-1), ends]).toEqual([end, end, [end]]);
    expect(told.at(-2)).toBe('completed');
  });

  it('tells the end that another node was faster with', async () => {
    const { seals, seal } = asking();
    const { generation, told, ends, upstream } = started({}, { seal });
    upstream.next([text('a'), done]);
    upstream.complete();
    await turn();
    const theirs = {
      seq: 1_000_000_001,
      from: 3,
      said: { type: 'end', state: 'interrupted', code: 'node_lost' },
    } as never;
    generation.adopt(theirs, generation.stopwatch.times);
    seals[0]?.answer();
    await turn();
    expect(await generation.ended).toBe(theirs);
    expect(told.at(-1)).toEqual(theirs);
    expect(ends).toEqual([theirs]);
  });

  it('stops, although its upstream has said its last word', async () => {
    const { seals, seal } = asking();
    const { generation, upstream, isAborted } = started({}, { seal });
    upstream.next([text('a'), done]);
    generation.lose();
    expect(isAborted()).toBe(true);
    upstream.complete();
    await turn();
    expect(seals[0]?.end.said).toMatchObject({ state: 'interrupted', code: 'node_lost' });
  });

  it('ends where it was stopped, although nobody knows yet whether it may begin', async () => {
    const { asked, confirm } = asking();
    const { generation, told, upstream } = started({}, { confirm });
    upstream.next([text('a')]);
    const cancelled = generation.cancel();
    upstream.error(new Error('aborted'));
    expect((await cancelled).said).toMatchObject({ state: 'cancelled' });
    asked[0]?.answer();
    await turn();
    expect(told.at(-1)).toMatchObject({ seq: 1, said: { state: 'cancelled' } });
  });

  it('holds no more than an answer may have while that is not known', async () => {
    const { confirm } = asking();
    const { generation, upstream, isAborted } = started({ maxOutputBytes: 3 }, { confirm });
    upstream.next([text('first')]);
    upstream.next([text('ab')]);
    expect(isAborted()).toBe(false);
    upstream.next([text('cd')]);
    expect(isAborted()).toBe(true);
    upstream.error(new Error('aborted'));
    expect((await generation.ended).said).toMatchObject({
      state: 'failed',
      code: 'output_too_large',
    });
  });

  it('goes there with a cancel that came on the way', async () => {
    const { running, generation } = started();
    void running.leave();
    void generation.cancel();
    const told: string[] = [];
    generation.drivenBy({
      cancel: (reason) => void told.push(reason),
      onAudience: () => undefined,
      onLost: () => undefined,
      giveUp: () => undefined,
      head: () => 0,
      onGrow: () => undefined,
      onDelivered: () => undefined,
    });
    expect(told).toEqual(['client']);
  });

  it('is cancelled when it has its place, where that is asked for before', async () => {
    const running = new Running(facts, limits, nobody, cadence);
    begun.push(running);
    const cancelled = running.generation.cancel();
    expect(running.hasEnded).toBe(false);
    running.drive();
    expect((await cancelled).said).toMatchObject({ state: 'cancelled' });
  });

  it('is timed anew where it comes back', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'performance'] });
    try {
      const { running, generation } = started();
      void running.leave();
      const again = new Running(
        generation,
        { ...limits, queueTimeoutMs: 1_000, timeoutMs: 5_000 },
        nobody,
        cadence,
      );
      begun.push(again);
      again.drive();
      const upstream = new Subject<Part[]>();
      void again.run('ollama', 1, () => upstream).then((error) => again.end(error));
      jest.advanceTimersByTime(2_000);
      expect(again.isStopped).toBe(false);
      jest.advanceTimersByTime(3_000);
      upstream.error(new Error('aborted'));
      await turn();
      expect(generation.log.end?.said).toMatchObject({ code: 'generation_timeout' });
    } finally {
      jest.useRealTimers();
    }
  });

  it('goes there with its readers where nothing was said of it', async () => {
    const { asked, confirm } = asking();
    let left: Promise<boolean> | undefined;
    const { running, generation, told, upstream, isAborted } = started(
      {},
      { confirm, onTaken: () => (left = running.leave()) },
    );
    upstream.next([text('a')]);
    generation.lose();
    expect(isAborted()).toBe(true);
    upstream.error(new Error('aborted'));
    asked[0]?.answer();
    expect(await left).toBe(true);
    await turn();
    expect(generation.log.end).toBeUndefined();
    expect(told.filter((one) => typeof one !== 'string')).toEqual([]);
    // What the other node makes of it.
    generation.adopt(
      { seq: 1, from: 1, said: { type: 'end', state: 'cancelled' } as never },
      generation.stopwatch.times,
    );
    expect(generation.log.end).toBeDefined();
  });
});
