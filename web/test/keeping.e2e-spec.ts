import type { Browser, BrowserContext } from 'playwright-core';
import { Stage } from '../../test/support/stage.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';

const NOT_SAVED = "Not saved: the browser's storage is full or blocked.";
/** Of the body of a request; small, so that a conversation is soon too long. */
const MAX_BODY_BYTES = 4096;

describeInBrowser('how the chat page keeps conversations', () => {
  let browser: Browser;
  let context: BrowserContext;
  let stage: Stage;
  let chat: Chat;

  beforeAll(async () => {
    browser = await launchBrowser();
    stage = await Stage.open({ MAX_BODY_BYTES });
    context = await browser.newContext({ viewport: { width: 390, height: 800 } });
    chat = await Chat.open(context, stage.app.url);
  });
  beforeEach(() => chat.begin());
  afterEach(() => stage.upstream.forget());
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  async function answered(question: string, answer: string): Promise<void> {
    await chat.ask(question);
    (await stage.upstream.nextCall()).text(answer).done();
    await chat.answered();
  }

  /** The storage refuses every write from now on, as a full one does, until it has room again. */
  const setFull = (isFull: boolean): Promise<void> =>
    chat.page.evaluate((isFull) => {
      const store = IDBObjectStore.prototype as { put: IDBObjectStore['put'] };
      const own = globalThis as unknown as { roomy?: IDBObjectStore['put'] };
      own.roomy ??= store.put;
      store.put = isFull
        ? () => {
            throw new DOMException('There is no room.', 'QuotaExceededError');
          }
        : own.roomy;
    }, isFull);

  it('goes on where the storage is full, says so, and catches up when there is room', async () => {
    await answered('One?', 'First.');
    await setFull(true);
    await answered('Two?', 'Second.');
    await chat.sees(NOT_SAVED);
    await chat.button('New conversation').first().click();
    await answered('Else?', 'Another.');
    expect(await chat.page.getByText(NOT_SAVED).isVisible()).toBe(true);
    await setFull(false);
    await answered('More?', 'Once more.');
    await chat.page.getByText(NOT_SAVED).waitFor({ state: 'detached' });
    await chat.page.reload();
    await chat.sees('Once more.');
    await chat.sees('Another.');
    await chat.button('Conversations').click();
    await chat.page.getByRole('navigation').getByRole('link', { name: 'One?' }).click();
    await chat.sees('Second.');
  });

  it('keeps on after the browser has closed its storage', async () => {
    await answered('One?', 'First.');
    await chat.page.evaluate(
      () =>
        new Promise((resolve) => {
          indexedDB.deleteDatabase('llm-cast').onsuccess = resolve;
        }),
    );
    await chat.button('New conversation').first().click();
    await answered('Two?', 'Second.');
    expect(await chat.page.getByText(NOT_SAVED).count()).toBe(0);
    await chat.page.reload();
    await chat.sees('Second.');
  });

  it('chats where the browser keeps nothing at all, and says so', async () => {
    const own = chat;
    chat = await Chat.open(browser, stage.app.url, () => {
      IDBFactory.prototype.open = () => {
        throw new DOMException('Not in this window.', 'SecurityError');
      };
    });
    await chat.sees(NOT_SAVED);
    await answered('One?', 'First.');
    await answered('Two?', 'Second.');
    await chat.sees('First.');
    expect(chat.offences).toEqual([]);
    await chat.page.context().close();
    chat = own;
  });

  it('does not bring back what is deleted while its answer is being written', async () => {
    await chat.comeAnew();
    await chat.ask('One?');
    const call = await stage.upstream.nextCall();
    call.text('First and ');
    await chat.sees('First and');
    await chat.button('Conversations').click();
    await chat.button('Delete One?').focus();
    await chat.page.keyboard.press('Enter');
    await call.closed;
    const links = chat.page.getByRole('navigation').getByRole('link');
    await links.waitFor({ state: 'detached' });
    // A late part of the answer would be kept by then.
    await chat.page.waitForTimeout(1_500);
    expect(await links.count()).toBe(0);
    await chat.page.reload();
    await chat.button('Conversations').click();
    expect(await links.count()).toBe(0);
  });

  it('says which ways are left where a question is too long to send', async () => {
    await chat.ask('long '.repeat(MAX_BODY_BYTES / 5));
    await chat.sees('payload_too_large');
    await chat.sees('Shorten the question, pick another model, or begin a new conversation.');
    await chat.button('Pick another model').waitFor();
    await chat.button('Retry').waitFor();
    expect(stage.upstream.calls.length).toBe(0);
    // The connection has not been spent on it.
    await chat.button('New conversation').first().click();
    await answered('Short?', 'Yes.');
  });

  it('shows what can be read beside what cannot, and how much is missing', async () => {
    await chat.comeAnew();
    await answered('One?', 'First.');
    await chat.button('New conversation').first().click();
    await answered('Two?', 'Second.');
    // As for a value whose file is damaged.
    await context.addInitScript((damaged) => {
      const fail = (): never => {
        throw new DOMException('Failed to read large IndexedDB value', 'DataError');
      };
      const store = IDBObjectStore.prototype as Pick<IDBObjectStore, 'getAll'> & {
        get: IDBObjectStore['get'];
      };
      const own = store.get;
      store.getAll = fail;
      store.get = function (this: IDBObjectStore, key) {
        return key === damaged ? fail() : own.call(this, key);
      };
    }, new URL(chat.page.url()).hash.slice(1));
    chat = await Chat.open(context, stage.app.url);
    await chat.sees('Not all conversations could be read: 1 missing.');
    await chat.button('Conversations').click();
    const links = chat.page.getByRole('navigation').getByRole('link');
    expect(await links.allInnerTexts()).toEqual(['One?']);
  });
});
