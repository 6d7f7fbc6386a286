import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { PATIENCE_MS } from '../../../test/support/until.js';
import { offencesOf } from './browser.js';

/** The chat page in one tab, as somebody uses it. */
export class Chat {
  /** What the page did that its policy forbids, and errors that nobody caught. */
  readonly offences: string[];

  private constructor(readonly page: Page) {
    this.offences = offencesOf(page);
    // Also for tabs that it opens.
    page.context().setDefaultTimeout(PATIENCE_MS);
  }

  /**
   * Opens the page.
   * @param where a context keeps what the page keeps; a browser is a fresh one
   * @param before runs in the page before all else
   */
  static async open(
    where: Browser | BrowserContext,
    url: string,
    before: () => void = () => undefined,
  ): Promise<Chat> {
    const chat = new Chat(await where.newPage());
    await chat.page.addInitScript(before);
    await chat.page.exposeFunction('tellOffence', (offence: string) => chat.offences.push(offence));
    await chat.page.addInitScript(() => {
      const { tellOffence } = globalThis as unknown as {
        tellOffence: (offence: string) => void;
      };
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
        tellOffence(`${violatedDirective} ${blockedURI}`),
      );
    });
    await chat.page.goto(url);
    await chat.field.waitFor();
    return chat;
  }

  /** A case in the page of the one before: with a conversation of its own. */
  async begin(): Promise<void> {
    await this.button('New conversation').first().click();
    await this.sees('What would you like to know?');
  }

  /** As the first visit of all, in the page of the case before. @param path below the server's address */
  async comeAnew(path = ''): Promise<void> {
    const { origin } = new URL(this.page.url());
    // Of the same origin, and writes nothing.
    await this.page.goto(`${origin}/health/live`);
    await this.page.evaluate(async () => {
      localStorage.clear();
      sessionStorage.clear();
      await new Promise((resolve) => {
        indexedDB.deleteDatabase('llm-cast').addEventListener('success', resolve);
      });
    });
    await this.page.goto(`${origin}/${path}`);
    await this.field.waitFor();
  }

  get field(): Locator {
    return this.page.getByLabel('Your question');
  }

  /** The answers, the first one first. */
  get answers(): Locator {
    return this.page.locator('.answer');
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name, exact: typeof name === 'string' });
  }

  async ask(question: string): Promise<void> {
    await this.field.fill(question);
    await this.field.press('Enter');
  }

  /** Waits until this is to be seen, as a part of some text. */
  async sees(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).last().waitFor();
  }

  /** Waits until the last answer is over. */
  async answered(): Promise<void> {
    await this.button('Send').waitFor();
  }
}
