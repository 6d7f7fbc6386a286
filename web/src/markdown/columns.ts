/** A column is at least so wide, as a part of what each would have if all were equal. */
const LEAST_SHARE = 0.5;
/** And so wide, in em, before the table scrolls. */
const LEAST_EM = 6;

/** Makes the columns of a table stay as wide as they are now: later rows do not move them. */
export function fixColumns(table: HTMLTableElement): void {
  const cells = [...table.rows[0]!.cells];
  const widths = cells.map((cell) => cell.getBoundingClientRect().width);
  const all = widths.reduce((sum, width) => sum + width, 0);
  // Where nothing is drawn, there is nothing to measure.
  if (all === 0) return;
  const least = (LEAST_SHARE * all) / cells.length;
  cells.forEach((cell, at) => {
    cell.style.width = `${Math.max(widths[at]!, least).toFixed(1)}px`;
  });
  table.style.tableLayout = 'fixed';
  table.style.minWidth = `${LEAST_EM * cells.length}em`;
}

/** The columns of a table go on as they are when another rendering takes its place. */
export function keepColumns(old: ChildNode | undefined, block: ChildNode): void {
  const [before, table] = [tableOf(old), tableOf(block)];
  if (before === undefined || table === undefined) return;
  const cells = [...before.rows[0]!.cells];
  const followers = [...table.rows[0]!.cells];
  if (cells.length !== followers.length || before.style.cssText === '') return;
  table.style.cssText = before.style.cssText;
  followers.forEach((cell, at) => (cell.style.cssText = cells[at]!.style.cssText));
}

function tableOf(node: ChildNode | undefined): HTMLTableElement | undefined {
  if (!(node instanceof Element) || node.className !== 'table-scroll') return undefined;
  return node.querySelector('table') ?? undefined;
}
