import axe from 'axe-core';
import type { Page } from 'playwright-core';

/** What axe finds serious by these rules, or by all of them. */
async function serious(page: Page, rules?: string[]): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe.source);
  const { violations } = await page.evaluate((rules) => {
    const { run } = (globalThis as unknown as { axe: typeof axe }).axe;
    return run({ resultTypes: ['violations'], ...(rules && { runOnly: rules }) });
  }, rules);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

/** What is wrong with the page as it is, in light and dark, at its width and down to 320 px. */
export async function faults(page: Page, width: number): Promise<string[]> {
  await page.emulateMedia({ colorScheme: 'light' });
  const inLight = await serious(page);
  await page.emulateMedia({ colorScheme: 'dark' });
  const inDark = await serious(page, ['color-contrast']);
  const tooWide: string[] = [];
  for (const narrow of [width, Math.min(width, 320)]) {
    if (narrow !== page.viewportSize()?.width) {
      await page.setViewportSize({ width: narrow, height: 800 });
    }
    const overflow = await page.evaluate(() => {
      const boxes = [document.documentElement, ...document.querySelectorAll('.viewport')];
      return Math.max(...boxes.map((box) => box.scrollWidth - box.clientWidth));
    });
    if (overflow > 0) tooWide.push(`${overflow} px wider than ${narrow} px`);
  }
  await page.setViewportSize({ width, height: 800 });
  return [...inLight, ...inDark, ...tooWide];
}
