import { askWorker } from './ask-worker';
import { sanitised } from './sanitised';

/** Colours the code of a block that is complete, while the rest of the answer is still coming. */
export function colourCode(code: Element): void {
  const text = code.textContent;
  const language = code.className.replace('language-', '');
  if (language === '') return;
  void askWorker({ code: text, language }).then(
    ([html]) => {
      // By then, the whole answer may have taken the place of what was streamed.
      if (html === undefined || !code.isConnected || code.textContent !== text) return;
      const [block] = sanitised(`<pre><code>${html}</code></pre>`);
      code.replaceChildren(...(block as Element).querySelector('code')!.childNodes);
    },
    // It stays in one colour.
    () => undefined,
  );
}
