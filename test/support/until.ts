import { setTimeout as sleep } from 'node:timers/promises';

/** What tests wait for happens at once, unless the machine is busy with something else. */
export const PATIENCE_MS = 60_000;

/** Resolves when the condition holds, which is looked at every few milliseconds. Fails after `ms`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  ms = PATIENCE_MS,
): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${condition.toString()}`);
    await sleep(5);
  }
}
