import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { NEVER, Observable, of, Subject, throwError } from 'rxjs';
import type { CastService } from '../cast/cast.service.js';
import type { ModelRequest } from '../cast/model-request.js';
import type { Part } from '../cast/part.js';
import type { StopSignal } from '../cast/stop-signal.js';
import { type StreamOptions, Upstream } from '../cast/upstream.js';
import { Cadence } from '../cast/cadence.js';
import { CastError } from '../protocol/errors.js';
import { Attempts } from './attempts.js';
import { type AttemptResult, Lifecycle, type Life } from './lifecycle.js';

import { Durations } from './line/durations.js';
import { MemorySlotKeeper } from './line/memory-slot-keeper.js';
import { Running } from './running.js';

const done: Part = { type: 'done', reason: 'stop', usage: null, statistics: {}, createdAt: '' };
const text: Part = { type: 'text', text: 'a', createdAt: '' };

/** An upstream whose answers a test scripts. */
class ScriptedUpstream extends Upstream {
  readonly isAvoided = false;
  readonly models = undefined;
  readonly lastError = undefined;
  calls = 0;

  constructor(private readonly answer: (signal: StopSignal) => Observable<Part[]>) {
    super('scripted', 1, 'scripted');
  }

  serves = (): boolean => true;
  hasLoaded = (): boolean => true;
  refuses = (): undefined => undefined;
  version = (): Observable<string> => of('0');
  refresh = (): Promise<void> => Promise.resolve();

  stream(_request: ModelRequest, { signal }: StreamOptions): Observable<Part[]> {
    this.calls++;
    return this.answer(signal);
  }
}

/** All that a test began: their timers end with it. */
const begun: Running[] = [];
afterEach(() => {
  for (const running of begun.splice(0)) running.end();
});

/** One request on an upstream of one slot, with the real line, generation and lifecycle. */
function asked(
  upstream: ScriptedUpstream,
  onEnd: () => void = () => undefined,
  seal?: () => Promise<void>,
) {
  const cast: Pick<CastService, 'candidates' | 'refresh' | 'refusal' | 'puller'> = {
    candidates: () => [upstream],
    refresh: () => Promise.resolve(),
    refusal: () => undefined,
    puller: () => upstream,
  };
  const slots = new MemorySlotKeeper([upstream], {
    maxQueue: 10,
    maxConcurrentPerUser: 0,
    maxQueuePerUser: 0,
  });
  const context = { cast, slots, durations: new Durations(), lifecycle: new Lifecycle() };
  const begin = (endpoint: 'generate' | 'pull' = 'generate') => {
    const running: Running = new Running(
      { id: 'k3JvX0d1Qm6c7Tq2Zr9s_A', endpoint, model: 'm', owner: undefined, createdAt: 0 },
      {
        keep: true,
        maxOutputBytes: 1000,
        queueTimeoutMs: 60_000,
        timeoutMs: 60_000,
        abandonAfterMs: 60_000,
      },
      {
        onGrow: () => undefined,
        onFirst: () => undefined,
        onDelivered: () => undefined,
        ...(seal && { seal }),
        onEnd: () => {
          attempts.stop();
          onEnd();
        },
      },
      new Cadence(),
    );
    const request: ModelRequest =
      endpoint === 'pull'
        ? { endpoint, model: 'm' }
        : { endpoint, model: 'm', prompt: 'why is the sky blue?' };
    const caller = {
      principal: { kind: 'rest' as const },
      turn: 'address ::1',
      requestId: undefined,
      trace: undefined,
    };
    const life: Life = {
      generation: running.generation,
      request,
      caller,
      keep: true,
      trace: undefined,
    };
    const attempts = new Attempts(life, running, context);
    begun.push(running);
    running.drive();
    void attempts.enter().then(() => attempts.begin());
    return running;
  };
  const { lifecycle } = context;
  return { begin, lifecycle, slotsTaken: () => slots.view().upstreams[0]?.running };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the attempts of a generation', () => {
  beforeAll(() => Logger.overrideLogger(false));
  afterEach(() => void jest.useRealTimers());

  it('give the slot back when the request is over', async () => {
    const { begin, slotsTaken } = asked(new ScriptedUpstream(() => of([text, done])));
    const { generation } = begin();
    expect(slotsTaken()).toBe(1);
    expect((await generation.ended).said).toMatchObject({ state: 'completed' });
    await turn();
    expect(slotsTaken()).toBe(0);
  });

  it('give the slot back whatever throws on the way, and the generation fails as `internal`', async () => {
    const upstream = new ScriptedUpstream(() => {
      throw new TypeError('a mistake of ours');
    });
    const { begin, slotsTaken } = asked(upstream);
    const { generation } = begin();
    expect((await generation.ended).said).toMatchObject({ state: 'failed', code: 'internal' });
    await turn();
    expect(slotsTaken()).toBe(0);
  });

  it('give the slot back even where the end itself throws', async () => {
    const { begin, slotsTaken } = asked(new ScriptedUpstream(() => of([text, done])), () => {
      throw new Error('who hears of the end is broken');
    });
    const { generation } = begin();
    await generation.ended;
    await turn();
    expect(slotsTaken()).toBe(0);
  });

  it('wait for no retry once the generation was cancelled', async () => {
    const upstream = new ScriptedUpstream(() =>
      throwError(() => new CastError('upstream_busy', { retryAfterMs: 30_000 })),
    );
    const { begin, slotsTaken } = asked(upstream);
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'performance'] });
    const { generation } = begin();
    await turn();
    expect(upstream.calls).toBe(1);
    expect(generation.log.end).toBeUndefined();
    expect(slotsTaken()).toBe(0);
    await generation.cancel();
    // The line may still say positions; nothing else waits.
    jest.advanceTimersByTime(1_000);
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(60_000);
    expect(upstream.calls).toBe(1);
  });

  it('are the same way for a pull, which takes no slot', async () => {
    const upstream = new ScriptedUpstream(() => of([text, done]));
    const { begin, slotsTaken } = asked(upstream);
    const { generation } = begin('pull');
    expect(slotsTaken()).toBe(0);
    expect((await generation.ended).said).toMatchObject({ state: 'completed' });
    expect(upstream.calls).toBe(1);
  });

  it('leave the next one in line to the slot that a stopped one held until its request was over', async () => {
    const upstream = new ScriptedUpstream(() => NEVER);
    const { begin, slotsTaken } = asked(upstream);
    begin();
    const second = begin();
    await turn();
    expect(second.generation.status).toMatchObject({ state: 'queued', position: 1 });
    void second.generation.cancel();
    expect((await second.generation.ended).said).toMatchObject({ state: 'cancelled' });
    expect(slotsTaken()).toBe(1);
  });

  it('are stopped, and have not failed, where the generation goes to another node', async () => {
    const results: AttemptResult[] = [];
    const upstream = new ScriptedUpstream(
      (signal) =>
        new Observable((subscriber) => {
          signal.watch(() => subscriber.error(signal.reason));
        }),
    );
    const { begin, lifecycle } = asked(upstream);
    lifecycle.listen({ attempted: (_life, _attempt, _upstream, result) => results.push(result) });
    const running = begin();
    await turn();
    expect(await running.leave()).toBe(true);
    expect(results).toEqual(['stopped']);
    await running.stay();
  });

  it('ask nothing for what was cancelled in line, while not all nodes can know its end yet', async () => {
    const answer = new Subject<Part[]>();
    const upstream = new ScriptedUpstream(() => answer);
    const never = (): Promise<void> => new Promise(() => undefined);
    const { begin, slotsTaken } = asked(upstream, undefined, never);
    begin();
    const second = begin();
    await turn();
    void second.generation.cancel();
    answer.next([text, done]);
    answer.complete();
    await turn();
    expect([upstream.calls, slotsTaken()]).toEqual([1, 0]);
  });
});
