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

  /** Opens the page. @param where a context keeps what the page keeps; a browser is a fresh one */
  static async open(where: Browser | BrowserContext, url: string): Promise<Chat> {
    const chat = new Chat(await where.newPage());
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
