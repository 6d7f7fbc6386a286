import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves when the condition holds, which is looked at every few milliseconds. Fails after `ms`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  ms = 5_000,
): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${condition.toString()}`);
    await sleep(5);
  }
}
