import { askWorker } from './ask-worker';
import { keepColumns } from './columns';
import { drawFormulas, loadFormulas } from './draw-formulas';
import { sanitised } from './sanitised';

/** Longest time in one go, in ms, before the page gets its turn to draw: half a frame. */
const SLICE_MS = 8;

/**
 * Replaces a streamed answer with what a complete Markdown parser makes of it: sanitised, with coloured
 * code. What is the same stays as it is, with its selection, its focus and its scroll position.
 * @throws Error when the parser gives up; the streamed answer is there as before
 */
export async function finish(root: Element, text: string, signal: AbortSignal): Promise<void> {
  const blocks = await askWorker({ text });
  if (blocks.some((html) => html.includes('<span class="formula'))) await loadFormulas();
  if (signal.aborted) return;
  // The streamed text stands in several nodes where a link turned out to be none.
  root.normalize();
  const old = [...root.childNodes];
  let index = 0;
  let sliceEnd = performance.now() + SLICE_MS;
  for (const html of blocks) {
    for (const block of sanitised(html)) {
      if (block instanceof Element) drawFormulas(block);
      const before = old[index++];
      keepColumns(before, block);
      put(block, before, root);
    }
    if (performance.now() < sliceEnd) continue;
    await new Promise((resolve) => setTimeout(resolve));
    if (signal.aborted) return;
    sliceEnd = performance.now() + SLICE_MS;
  }
  for (const node of old.slice(index)) node.remove();
}

function put(block: ChildNode, old: ChildNode | undefined, root: Element): void {
  if (old === undefined) root.append(block);
  else if (!isSame(old, block)) old.replaceWith(block);
}

/** Whether nothing has to be replaced, or in a code block, only the colours of its code were missing. */
function isSame(old: ChildNode, block: ChildNode): boolean {
  if (old.isEqualNode(block)) return true;
  const oldCode = codeOf(old);
  const code = codeOf(block);
  if (oldCode === undefined || code === undefined) return false;
  if (old.textContent !== block.textContent) return false;
  oldCode.replaceChildren(...code.childNodes);
  return true;
}

function codeOf(node: ChildNode): Element | undefined {
  return node instanceof Element && node.className === 'code-block'
    ? node.querySelector('code')!
    : undefined;
}
