import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Locator } from 'playwright-core';
import { bearer, KeysFile, SECRET, tokenOf } from '../../test/support/credentials.js';
import { call } from '../../test/support/rest.js';
import { Stage } from '../../test/support/stage.js';
import { faults } from './support/axe.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';

describeInBrowser('the chat page of a server that asks for a credential', () => {
  let browser: Browser;
  let stage: Stage;
  let chat: Chat;
  let admin: string;

  beforeAll(async () => {
    browser = await launchBrowser();
  });
  beforeEach(async () => {
    const keys = new KeysFile();
    admin = keys.add('ops', { scopes: ['admin'] });
    stage = await Stage.open({ JWT_SECRET: SECRET, API_KEYS_FILE: keys.path });
  });
  afterEach(async () => {
    await chat?.page.context().close();
    await stage?.close();
  });
  afterAll(() => browser?.close());

  const field = (): Locator => chat.page.getByLabel('Key or token');
  const give = async (credential: string): Promise<void> => {
    await field().fill(credential);
    await field().press('Enter');
  };
  const signedIn = (): Promise<void> => field().waitFor({ state: 'detached' });

  it.each([1280, 390])(
    'asks for it, says what is wrong with it, keeps it for the tab, %d px wide',
    async (width) => {
      const context = await browser.newContext({ reducedMotion: 'reduce' });
      chat = await Chat.open(context, stage.app.url);
      await chat.page.setViewportSize({ width, height: 800 });
      await field().and(chat.page.locator(':focus')).waitFor();
      await chat.sees('This server asks who you are.');
      expect(await faults(chat.page, width)).toEqual([]);

      await give('not a token');
      await chat.sees('That was not accepted.');
      expect(await faults(chat.page, width)).toEqual([]);
      await give(await tokenOf('ada', undefined, -60));
      await chat.sees('Your token has expired.');
      // A question that is asked meanwhile waits.
      await chat.ask('Why?');
      await give(` ${await tokenOf('ada')}\n`);
      (await stage.upstream.nextCall()).text('Because.').done();
      await chat.sees('Because.');
      await signedIn();

      await chat.page.reload();
      await chat.sees('Because.');
      await chat.button(/^Model:/).click();
      await chat.page.getByRole('radio').first().waitFor();
      expect(await field().count()).toBe(0);
      await chat.page.keyboard.press('Escape');
      const other = await context.newPage();
      await other.goto(stage.app.url);
      await other.getByLabel('Key or token').waitFor();
      expect(chat.offences).toEqual([]);
    },
  );

  it('goes on with an answer in the middle once it has a new token for one that was taken back', async () => {
    chat = await Chat.open(browser, stage.app.url);
    await give(await tokenOf('ada'));
    await chat.ask('Why?');
    const request = await stage.upstream.nextCall();
    request.text('One ');
    await chat.sees('One');
    const body = { tenant: 'default', sub: 'ada' };
    const revoked = await call('POST', `${stage.app.url}/admin/revoke`, body, bearer(admin));
    expect(revoked.body).toMatchObject({ closed: 1 });
    await chat.sees('That was not accepted.');
    request.text('two ');
    // What is issued in the second of the revocation is taken back too.
    await sleep(1_100);
    await give(await tokenOf('ada'));
    await signedIn();
    request.text('three').done();
    await chat.sees('One two three');
    await chat.answered();
  });

  it('says that a token has expired, and goes on where the answer was', async () => {
    chat = await Chat.open(browser, stage.app.url);
    await give(await tokenOf('ada', undefined, 2));
    await chat.ask('Why?');
    const request = await stage.upstream.nextCall();
    request.text('One ');
    await chat.sees('One');
    // The socket lives five seconds longer than the token: clocks differ.
    await chat.sees('Your token has expired.');
    request.text('two ');
    await give(await tokenOf('ada'));
    await signedIn();
    request.text('three').done();
    await chat.sees('One two three');
    await chat.answered();
  });

  it('pulls with it, and forgets it', async () => {
    await stage.close();
    stage = await Stage.open({ JWT_SECRET: SECRET, ALLOW_PULL: 'true' });
    chat = await Chat.open(browser, stage.app.url);
    await give(await tokenOf('ada', { scopes: ['start', 'read', 'pull'] }));
    await signedIn();
    await chat.button(/^Model:/).click();
    await chat.page.getByLabel('Pull another model').fill('tiny');
    await chat.page.keyboard.press('Enter');
    const pulled = await stage.upstream.nextCall();
    expect(pulled.body).toMatchObject({ model: 'tiny' });
    pulled.line({ status: 'success' });
    await chat.page.keyboard.press('Escape');
    await chat.button('Forget my key or token').click();
    await field().waitFor();
  });
});
