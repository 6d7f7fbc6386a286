import { CastError } from '../../protocol/errors.js';
import { Generation } from '../generation.js';
import { IdempotencyKeys } from './idempotency.js';
import { Names } from './names.js';
import { KeptGenerations } from './kept-generations.js';
import type { Life } from '../lifecycle.js';
import type { LogSink } from '../log/reader.js';

const MIB = 1_048_576;
const limits = { RETAIN_MS: 60_000, MAX_LOG_BYTES: MIB };
const nobody = {
  cancel: () => undefined,
  onAudience: () => undefined,
  onLost: () => undefined,
  onDelivered: () => undefined,
  giveUp: () => undefined,
  head: () => 0,
};

/** A reader that never has room. */
const stalled: LogSink = {
  door: 'socket',
  writable: false,
  write: () => undefined,
  state: () => undefined,
  fail: () => undefined,
};

let count = 0;

/** A generation that is kept, with so many bytes of text, and that has ended. */
function ended(kept: KeptGenerations, bytes: number): Generation {
  const generation = new Generation(
    {
      id: `generation-${++count}`,
      endpoint: 'generate',
      model: 'm',
      owner: undefined,
      createdAt: 0,
    },
    { ...nobody, onGrow: (more) => kept.grow(more) },
  );
  const life = {
    generation,
    request: { endpoint: 'generate', model: 'm', prompt: '' },
    caller: { principal: { kind: 'rest' }, turn: '', requestId: undefined, trace: undefined },
    keep: true,
    trace: undefined,
  } satisfies Life;
  kept.add(life);
  generation.log.append({ type: 'text', text: 'x'.repeat(bytes), createdAt: '' });
  const last = generation.log.ending((proof) => ({
    type: 'end',
    state: 'cancelled',
    reason: 'client',
    upstreamClosedMs: 0,
    ...proof,
  }));
  generation.finish(last);
  kept.end(life);
  return generation;
}

const isKept = (kept: KeptGenerations, { id }: Generation): boolean => {
  try {
    return kept.get(id) !== undefined;
  } catch (error) {
    if (error instanceof CastError && error.code === 'generation_not_found') return false;
    throw error;
  }
};

describe('what is kept of generations', () => {
  it('makes room for new ones, the oldest ended one first', () => {
    const kept = new KeptGenerations(limits, new IdempotencyKeys(), new Names());
    const [first, second] = [ended(kept, MIB / 2), ended(kept, MIB / 4)];
    expect([first, second].map((one) => isKept(kept, one))).toEqual([true, true]);
    const third = ended(kept, MIB / 2);
    expect([first, second, third].map((one) => isKept(kept, one))).toEqual([false, true, true]);
    expect(kept.isFull).toBe(false);
  });

  it('counts a log that had to make room as long as a slow reader holds it', () => {
    const kept = new KeptGenerations(limits, new IdempotencyKeys(), new Names());
    const held = ended(kept, 2 * MIB);
    // It is over the limit by itself: it went at once, and nobody held it.
    expect(isKept(kept, held)).toBe(false);
    expect(kept.isFull).toBe(false);

    const read = new KeptGenerations(limits, new IdempotencyKeys(), new Names());
    const slow = ended(read, MIB / 2);
    const reader = slow.read(stalled, 0);
    const next = ended(read, (3 * MIB) / 4);
    expect(isKept(read, slow)).toBe(false);
    // The slow reader still holds its half, so the next had to go as well.
    expect(isKept(read, next)).toBe(false);
    const third = ended(read, (3 * MIB) / 4);
    expect(isKept(read, third)).toBe(false);
    reader.leave();
    expect(isKept(read, ended(read, (3 * MIB) / 4))).toBe(true);
  });
});
