// A part of its own: the page loads it with the first formula.
import temml from 'temml';
import 'temml/dist/Temml-Local.css';
import { texOf } from './formulas';

/** Most steps that the macros of a formula may take. */
const MAX_EXPANSIONS = 1_000;
/** Longest line or space that a formula may ask for, in em and in pt. */
const MAX_SIZE: [number, number] = [40, 400];

/**
 * Draws a formula as MathML, in the place of what is written.
 * @throws Error when it is not TeX
 */
export function render(element: HTMLElement): void {
  const drawn = document.createElement('span');
  temml.render(texOf(element.textContent), drawn, {
    displayMode: element.classList.contains('display'),
    throwOnError: true,
    // No addresses, no classes: a model writes this.
    trust: false,
    maxExpand: MAX_EXPANSIONS,
    maxSize: MAX_SIZE,
  });
  // A label would give the page an element of a name that the model chooses.
  for (const labelled of drawn.querySelectorAll('[id], [href]')) {
    labelled.removeAttribute('id');
    labelled.removeAttribute('href');
  }
  element.replaceChildren(...drawn.childNodes);
}
