import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, BrowserContext, Locator } from 'playwright-core';
import { bearer, KeysFile, SECRET, tokenOf } from '../../test/support/credentials.js';
import { call } from '../../test/support/rest.js';
import { Stage } from '../../test/support/stage.js';
import { faults } from './support/axe.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';

describeInBrowser('the chat page of a server that asks for a credential', () => {
  let browser: Browser;
  let context: BrowserContext;
  let stage: Stage;
  let chat: Chat;
  let admin: string;

  beforeAll(async () => {
    browser = await launchBrowser();
    const keys = new KeysFile();
    admin = keys.add('ops', { scopes: ['admin'] });
    const access = { JWT_SECRET: SECRET, API_KEYS_FILE: keys.path };
    stage = await Stage.open({ ...access, ALLOW_PULL: 'true' });
    context = await browser.newContext({ reducedMotion: 'reduce' });
    chat = await Chat.open(context, stage.app.url);
  });
  beforeEach(() => chat.comeAnew());
  afterEach(() => stage.upstream.forget());
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  const field = (): Locator => chat.page.getByLabel('Key or token');
  const give = async (credential: string): Promise<void> => {
    await field().fill(credential);
    await field().press('Enter');
  };
  const signedIn = (): Promise<void> => field().waitFor({ state: 'detached' });

  it.each([1280, 390])(
    'asks for it, says what is wrong with it, keeps it for the tab, %d px wide',
    async (width) => {
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
      await other.close();
      expect(chat.offences).toEqual([]);
    },
  );

  it('goes on with an answer in the middle once it has a new token for one that was taken back', async () => {
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
    await chat.page.setViewportSize({ width: 1280, height: 800 });
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
