import { setTimeout as sleep } from 'node:timers/promises';

/** What tests wait for happens at once, unless the machine is busy with something else. */
export const PATIENCE_MS = 60_000;
/** How often is looked. */
const TURN_MS = 5;

/**
 * Resolves when the condition holds, which is looked at every few milliseconds. Fails after `ms` of
 * this process's own time: what a busy machine takes from it does not count.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  ms = PATIENCE_MS,
): Promise<void> {
  for (let turn = 0; !(await condition()); turn++) {
    if (turn > ms / TURN_MS) throw new Error(`not within ${ms} ms: ${condition.toString()}`);
    await sleep(TURN_MS);
  }
}

/** As `until`, however long it takes as long as `progress` changes. Fails where it stands still. */
export async function untilAtLast(
  condition: () => boolean,
  progress: () => number,
  stillMs = PATIENCE_MS,
): Promise<void> {
  while (!condition()) {
    const before = progress();
    await until(() => condition() || progress() !== before, stillMs);
  }
}

/** What the promise resolves with. Fails after `ms` of this process's own time. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let isOver = false;
  const over = (): void => void (isOver = true);
  promise.then(over, over);
  await until(() => isOver, ms).catch(() => {
    throw new Error(`not within ${ms} ms`);
  });
  return promise;
}
