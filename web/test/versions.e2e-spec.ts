import type { Browser, BrowserContext } from 'playwright-core';
import { Stage } from '../../test/support/stage.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';
import { CONVERSATION_OF_VERSION_1 } from './support/version-1.js';

describeInBrowser('conversations that an older page has kept', () => {
  let browser: Browser;
  let context: BrowserContext;
  let stage: Stage;

  beforeAll(async () => {
    browser = await launchBrowser();
    stage = await Stage.open();
  });
  beforeEach(async () => {
    context = await browser.newContext();
    // A page of the same origin that has no script of its own.
    const page = await context.newPage();
    await page.goto(`${stage.app.url}/health/live`);
    await page.evaluate(keepInVersion1, CONVERSATION_OF_VERSION_1);
    await page.close();
  });
  afterEach(() => context?.close());
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  it('are whole, can be gone on with, and get versions', async () => {
    const chat = await Chat.open(context, stage.app.url);
    await chat.page.getByRole('link', { name: 'Where is north?' }).click();
    await chat.sees('Up.');
    await chat.sees('upstream_truncated');
    await chat.sees(/^llama3\.2 · 3 tokens · 20\.0 tokens\/s/);
    await chat.button('Retry').click();
    const call = await stage.upstream.nextCall();
    expect(call.body['messages']).toEqual([
      { role: 'system', content: 'You are brief.' },
      { role: 'user', content: 'Where is north?' },
      { role: 'assistant', content: 'Up.' },
      { role: 'user', content: 'And south?' },
    ]);
    call.text('Down.').done();
    await chat.sees('Down.');
    await chat.answered();
    await chat.page.reload();
    await chat.sees('Down.');
    await chat.button('Version before').click();
    await chat.sees('upstream_truncated');
    expect(await chat.answers.count()).toBe(2);
    expect(chat.offences).toEqual([]);
  });

  it('are there also when one beside them is damaged', async () => {
    await context.addInitScript(() => {
      const store = IDBObjectStore.prototype as Pick<IDBObjectStore, 'put'> & {
        get: IDBObjectStore['get'];
        openCursor: IDBObjectStore['openCursor'];
      };
      const own = store.get;
      const fail = (): never => {
        throw new DOMException('Failed to read large IndexedDB value', 'DataError');
      };
      store.openCursor = fail;
      store.get = function (this: IDBObjectStore, key) {
        return key === 'damaged' ? fail() : own.call(this, key);
      };
    });
    const chat = await Chat.open(context, stage.app.url);
    await chat.sees('Not all conversations could be read: 1 missing.');
    await chat.page.getByRole('link', { name: 'Where is north?' }).click();
    await chat.sees('Up.');
  });
});

/** Runs in the page: makes the database as version 1 of the page has made it. */
function keepInVersion1(conversation: typeof CONVERSATION_OF_VERSION_1): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('llm-cast', 1);
    request.addEventListener('error', () => reject(request.error!));
    request.addEventListener('upgradeneeded', () =>
      request.result.createObjectStore('conversations', { keyPath: 'id' }),
    );
    request.addEventListener('success', () => {
      const transaction = request.result.transaction('conversations', 'readwrite');
      const store = transaction.objectStore('conversations');
      store.put(conversation);
      store.put({ ...conversation, id: 'damaged', title: 'Damaged' });
      transaction.addEventListener('complete', () => {
        request.result.close();
        resolve();
      });
    });
  });
}
