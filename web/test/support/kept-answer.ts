import type { Page } from 'playwright-core';

interface Kept {
  generationId: string;
  text: string;
}

/** The last answer of the first conversation, as this browser keeps it; undefined while it keeps none. */
export function keptAnswer(page: Page): Promise<Kept | undefined> {
  return page.evaluate(
    () =>
      new Promise<Kept | undefined>((resolve, reject) => {
        const opening = indexedDB.open('llm-cast');
        opening.addEventListener('error', () => reject(new Error('no database')));
        opening.addEventListener('success', () => {
          const store = opening.result.transaction('conversations').objectStore('conversations');
          const reading = store.getAll();
          reading.addEventListener('success', () => {
            opening.result.close();
            const [first] = reading.result as { turns: { answer?: Kept }[] }[];
            resolve(first?.turns.at(-1)?.answer);
          });
        });
      }),
  );
}
