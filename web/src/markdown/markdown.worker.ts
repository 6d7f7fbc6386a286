import { type Colour, htmlBlocks } from './html-blocks';

/** What the worker is asked for: the blocks of a text, or one code block's colours. */
export type Job = { text: string } | { code: string; language: string };

const IS_CODE = /```|~~~/;
const plain: Colour = () => undefined;

addEventListener('message', ({ data }: MessageEvent<Job>) => {
  void answer(data).then(
    (html) => postMessage(html),
    (error: unknown) =>
      // An error outside a promise is what the page hears of.
      setTimeout(() => {
        throw error;
      }),
  );
});

async function answer(job: Job): Promise<string[]> {
  if ('text' in job) {
    return htmlBlocks(job.text, IS_CODE.test(job.text) ? await loadColour() : plain);
  }
  const html = (await loadColour())(job.code, job.language);
  return html === undefined ? [] : [html];
}

/** Without it, code stays in one colour. */
async function loadColour(): Promise<Colour> {
  try {
    return (await import('./colour')).colour;
  } catch {
    return plain;
  }
}
