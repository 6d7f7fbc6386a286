type Renderer = typeof import('./formula-renderer');

let loading: Promise<void> | undefined;
let renderer: Renderer | undefined;

/** Loads what draws formulas, unless it is there. Where it does not come, they stay as written. */
export function loadFormulas(): Promise<void> {
  loading ??= load();
  return loading;
}

async function load(): Promise<void> {
  try {
    renderer = await import('./formula-renderer');
  } catch (error) {
    console.warn('Formulas stay as they are written.', error);
    // It is tried again with the next formula.
    loading = undefined;
  }
}

/** Draws one formula: at once where the renderer is loaded, else when it comes. */
export function drawFormula(element: HTMLElement): void {
  if (renderer === undefined) {
    void loadFormulas().then(() => renderer !== undefined && draw(element, renderer));
  } else draw(element, renderer);
}

/** Draws the formulas of a part of the page, if the renderer is loaded. */
export function drawFormulas(root: Element): void {
  if (renderer === undefined) return;
  for (const element of root.querySelectorAll<HTMLElement>('.formula')) draw(element, renderer);
}

function draw(element: HTMLElement, { render }: Renderer): void {
  // It may have been drawn while the renderer was being loaded.
  if (element.firstElementChild !== null) return;
  try {
    render(element);
  } catch {
    // It only looked like a formula.
  }
}
