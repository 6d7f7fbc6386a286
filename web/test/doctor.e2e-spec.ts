import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { ALL, CASES, Ward } from '../../test/support/doctor-cases.js';
import type { Faults } from '../../test/support/faulty-front.js';
import { PATIENCE_MS } from '../../test/support/until.js';
import { describeInBrowser, launchBrowser, offencesOf } from './support/browser.js';

/** The checks are those of the terminal, whose test has every fault; a page shows one of each. */
const ONE_A_CHECK = ALL.flatMap((id) =>
  CASES.filter(({ red, isTerminalOnly }) => red === id && isTerminalOnly !== true).slice(0, 1),
);

/** Concurrent tests begin before `beforeAll`. */
let launched: Promise<Browser> | undefined;

/** The doctor's page in a tab of its own. */
class DoctorTab {
  /** What the page did that its policy forbids, and errors that nobody caught. */
  readonly offences: string[];

  private constructor(readonly page: Page) {
    this.offences = offencesOf(page);
    page.setDefaultTimeout(PATIENCE_MS);
  }

  /** @param before runs in the page before all else */
  static async open(url: string, before?: () => void): Promise<DoctorTab> {
    const browser = await (launched ??= launchBrowser());
    // What turns while a check runs is drawn anew all the time.
    const tab = new DoctorTab(await browser.newPage({ reducedMotion: 'reduce' }));
    if (before !== undefined) await tab.page.addInitScript(before);
    await tab.page.goto(`${url}/doctor`);
    return tab;
  }

  /** Waits until the run that goes on is over. */
  async finished(): Promise<this> {
    await this.button('Run again').and(this.page.locator(':enabled')).waitFor();
    return this;
  }

  button(name: string) {
    return this.page.getByRole('button', { name, exact: true });
  }

  /** The checks that came out so, in their order. */
  named(status: string): Promise<string[]> {
    // A slow round trip says only how busy this machine is.
    const slow = status === 'ok' ? ', [data-check=ping][data-status=warning]' : '';
    return this.page
      .locator(`[data-status=${status}]${slow}`)
      .evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset['check'] ?? ''));
  }

  said(check: string): Promise<string> {
    return this.page.locator(`[data-check=${check}]`).innerText();
  }

  close(): Promise<void> {
    return this.page.close();
  }
}

const during = (
  faults: Faults,
  visit: (tab: DoctorTab) => Promise<void>,
  before?: () => void,
): Promise<void> =>
  Ward.during(async (ward) => {
    const url = await ward.behind(faults);
    await visit(ward.keep(await DoctorTab.open(url, before)));
  });

describeInBrowser('the doctor in the page', () => {
  afterAll(async () => {
    const browser = await launched;
    await browser?.close();
  });

  it.concurrent.each(ONE_A_CHECK)(
    'finds $fault, and says what to mend',
    ({ prepare, red, alsoRed = [], warned = [], skipped = [], what, mend }) =>
      Ward.during(async (ward) => {
        const [url = ''] = await prepare(ward);
        const tab = await ward.keep(await DoctorTab.open(url)).finished();
        expect(await tab.named('failed')).toEqual([red, ...alsoRed]);
        expect(await tab.named('skipped')).toEqual(skipped);
        const others = [red, ...alsoRed, ...warned, ...skipped];
        expect((await tab.named('ok')).length).toBe(ALL.length - others.length);
        const said = await tab.said(red);
        expect(said).toMatch(what);
        expect(said).toMatch(mend);
        expect(await tab.page.getByRole('status').innerText()).toMatch(/^To mend: \w/);
        expect(tab.offences).toEqual([]);
      }),
  );

  it.concurrent('shows what is being checked, and each finding as soon as it is there', () =>
    during({}, async (tab) => {
      const status = tab.page.getByRole('status');
      await tab.page.locator('[data-check=rest][data-status=ok]').waitFor();
      expect(await tab.named('waiting')).toContain('idle');
      expect(await status.innerText()).toMatch(/^Checking: \w/);
      expect(await tab.button('Run again').isDisabled()).toBe(true);
      await tab.finished();
      expect(await tab.named('ok')).toEqual(ALL);
      expect(await status.innerText()).toBe('Nothing to mend');
      expect(tab.offences).toEqual([]);
    }),
  );

  it.concurrent('does not say that there is nothing to mend when its run broke off', () =>
    during(
      {},
      async (tab) => {
        await tab.finished();
        const status = await tab.page.getByRole('status').innerText();
        expect(status).toMatch(/^The doctor broke off: .*AbortSignal\.timeout/);
        expect(tab.offences).toEqual([]);
      },
      // Browsers before 2022.
      () => Reflect.deleteProperty(AbortSignal, 'timeout'),
    ),
  );

  it.concurrent('runs again, and then asks the model only if it is told to', () =>
    Ward.during(async (ward) => {
      const upstream = await ward.upstream();
      const url = await ward.behind({}, { OLLAMA_BASE_URL: upstream.url });
      const tab = await ward.keep(await DoctorTab.open(url)).finished();
      expect(upstream.calls).toEqual([]);
      await tab.button('Also ask the model').click();
      await tab.page.locator('[data-check=generate][data-status=running]').waitFor();
      (await upstream.nextCall()).text('one, two').done();
      await tab.finished();
      expect(await tab.said('generate')).toMatch(
        /First token after \d+ ms, then 20\.0 tokens a second; all 8 bytes arrived, as their SHA-256/,
      );
    }),
  );

  it.concurrent(
    'is accessible while it runs and afterwards, fits a phone, light and dark, and gives the report as text',
    () =>
      during({ dropsUpgrade: true }, async (tab) => {
        const { page } = tab;
        const look = async (): Promise<void> => {
          for (const colorScheme of ['light', 'dark'] as const) {
            await page.emulateMedia({ colorScheme });
            for (const width of [1280, 390]) {
              await page.setViewportSize({ width, height: 844 });
              expect(await violations(page)).toEqual([]);
              const overflow = await page.evaluate(
                () => document.documentElement.scrollWidth - innerWidth,
              );
              expect(overflow).toBe(0);
            }
          }
        };
        await page.locator('[data-check=rest][data-status=ok]').waitFor();
        await look();
        await tab.finished();
        await look();

        await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
        await tab.button('Copy report').click();
        await tab.button('Copied').waitFor();
        const report = await page.evaluate(() => navigator.clipboard.readText());
        expect(report).toMatch(/^llm-cast doctor, http:\/\/127/);
        expect(report).toMatch(/^ok {8}REST server: llm-cast answers/m);
        expect(report).toMatch(/^failed {4}WebSocket: No WebSocket can be opened/m);
        expect(report).toMatch(/^ {14} +proxy_set_header Upgrade \$http_upgrade;$/m);
      }),
  );
});

/** What axe finds. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import('axe-core') };
    const { violations } = await axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
}
