/** Longest time for one text, in ms. Some texts take a Markdown parser minutes, by intent or not. */
const DEADLINE_MS = 10_000;

let worker: Worker | undefined;
let last: Promise<unknown> = Promise.resolve();

/**
 * `htmlBlocks` beside the page, which goes on to scroll and to stream meanwhile: one text after the
 * other, in a worker that is started for the first.
 * @throws Error when the text is not done in time, or is nested too deep
 */
export function htmlBlocksInWorker(text: string): Promise<string[]> {
  const blocks = last.then(() => ask(text));
  last = blocks.catch(() => undefined);
  return blocks;
}

async function ask(text: string): Promise<string[]> {
  worker ??= new Worker(new URL('./html-blocks.worker.ts', import.meta.url), { type: 'module' });
  try {
    return await answerOf(worker, text);
  } catch (error) {
    // One that is stuck hears nothing more: the next text gets a new one.
    worker.terminate();
    worker = undefined;
    throw error;
  }
}

function answerOf(asked: Worker, text: string): Promise<string[]> {
  const over = new AbortController();
  const { signal } = over;
  const answer = new Promise<string[]>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`no HTML after ${DEADLINE_MS} ms`));
    }, DEADLINE_MS);
    signal.addEventListener('abort', () => clearTimeout(timer));
    asked.addEventListener('message', ({ data }) => resolve(data as string[]), { signal });
    asked.addEventListener('error', ({ message }) => reject(new Error(message)), { signal });
    asked.postMessage(text, []);
  });
  return answer.finally(() => over.abort());
}
