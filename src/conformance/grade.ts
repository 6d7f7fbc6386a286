import { Fault } from './answer.js';
import { Examination, type Examined } from './examination.js';
import { Absent, type Point } from './point.js';
import type { ScriptedUpstream } from './scripted-upstream.js';

/** What was found at one point. */
export interface Graded {
  id: string;
  title: string;
  status: 'ok' | 'failed' | 'skipped';
  /** Why, where it is not ok. */
  detail?: string;
}

/**
 * Grades a server that stands before a scripted upstream, one point after the other.
 * @param signal no further point is begun after it
 */
export async function* grade(
  examined: Examined,
  upstream: ScriptedUpstream,
  points: readonly Point[],
  signal: AbortSignal,
): AsyncGenerator<Graded> {
  for (const point of points) {
    const { id, title } = point;
    const why = point.skips?.(examined.protocol);
    if (why === undefined)
      yield { id, title, ...(await result(point, examined, upstream, signal)) };
    else yield { id, title, status: 'skipped', detail: why };
  }
}

async function result(
  point: Point,
  examined: Examined,
  upstream: ScriptedUpstream,
  signal: AbortSignal,
): Promise<Pick<Graded, 'status' | 'detail'>> {
  signal.throwIfAborted();
  const examination = new Examination(examined, upstream);
  const end = (): void => examination.end();
  signal.addEventListener('abort', end);
  try {
    await point.check(examination);
    return { status: 'ok' };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Absent) return { status: 'skipped', detail: error.message };
    if (error instanceof Fault) return { status: 'failed', detail: error.message };
    throw error;
  } finally {
    end();
    if (point.failsUpstream) await succeed(examination);
    signal.removeEventListener('abort', end);
  }
}

/** A good answer; how it comes out is no matter of this point. */
async function succeed(examination: Examination): Promise<void> {
  const asked = examination.ask({}, async (upstream) => {
    await upstream.text('Yes.');
    upstream.done();
  });
  await asked.over().catch(() => undefined);
  examination.end();
}
