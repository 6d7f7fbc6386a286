import type { Job } from './markdown.worker';

/** Longest time for one job, in ms. Some texts take a Markdown parser minutes, by intent or not. */
const DEADLINE_MS = 10_000;

let worker: Worker | undefined;
let last: Promise<unknown> = Promise.resolve();

/**
 * Has HTML made beside the page, which goes on to scroll and to stream meanwhile: one job after the
 * other, in a worker that is started for the first.
 * @throws Error when the job is not done in time, is nested too deep, or the browser has no worker
 */
export function askWorker(job: Job): Promise<string[]> {
  const html = last.then(() => ask(job));
  last = html.catch(() => undefined);
  return html;
}

async function ask(job: Job): Promise<string[]> {
  worker ??= new Worker(new URL('./markdown.worker.ts', import.meta.url), { type: 'module' });
  try {
    return await answerOf(worker, job);
  } catch (error) {
    // A worker that is stuck hears nothing more: the next job gets a new one.
    worker.terminate();
    worker = undefined;
    throw error;
  }
}

function answerOf(asked: Worker, job: Job): Promise<string[]> {
  const over = new AbortController();
  const { signal } = over;
  const answer = new Promise<string[]>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`no HTML after ${DEADLINE_MS} ms`));
    }, DEADLINE_MS);
    signal.addEventListener('abort', () => clearTimeout(timer));
    asked.addEventListener('message', ({ data }) => resolve(data as string[]), { signal });
    asked.addEventListener('error', ({ message }) => reject(new Error(message)), { signal });
    asked.postMessage(job, []);
  });
  return answer.finally(() => over.abort());
}
