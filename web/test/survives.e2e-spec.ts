import type { Browser, BrowserContext } from 'playwright-core';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { FaultProxy } from '../../test/support/fault-proxy.js';
import { freePort } from '../../test/support/free-port.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { until } from '../../test/support/until.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';
import { keptAnswer } from './support/kept-answer.js';

describeInBrowser('what the chat page survives', () => {
  let browser: Browser;
  let context: BrowserContext;
  let upstream: ScriptedUpstream;
  let proxy: FaultProxy;
  let env: Record<string, string | number>;
  let app: RunningServer;
  let chat: Chat;

  beforeAll(async () => {
    browser = await launchBrowser();
    upstream = await ScriptedUpstream.start();
    const [PORT, SOCKET_PORT] = [await freePort(), await freePort()];
    proxy = await FaultProxy.start(SOCKET_PORT);
    env = { PORT, SOCKET_PORT, OLLAMA_BASE_URL: upstream.url, PUBLIC_SOCKET_URL: proxy.url };
    app = await startApp(env);
    context = await browser.newContext();
    chat = await Chat.open(context, app.url);
  });
  beforeEach(() => chat.begin());
  afterEach(() => upstream.forget());
  afterAll(async () => {
    await browser?.close();
    await app?.close();
    await proxy?.close();
    await upstream?.close();
  });

  it('reads on after a reload in mid-answer', async () => {
    await chat.ask('Tell me.');
    const call = await upstream.nextCall();
    call.text('Once upon a time ');
    await chat.sees('Once upon a time');
    await chat.page.reload();
    await chat.sees('Once upon a time');
    call.text('there was a king.').done();
    await chat.answered();
    expect(await chat.answers.innerText()).toContain('Once upon a time there was a king.');
    expect(upstream.calls.length).toBe(1);
  });

  it('asks once where it is loaded again before the server has confirmed the question', async () => {
    await chat.ask('Hello?');
    (await upstream.nextCall()).text('Hello.').done();
    await chat.answered();
    proxy.stall();
    await chat.ask('Are you there?');
    // The question arrives, its confirmation does not.
    const call = await upstream.nextCall();
    await chat.page.reload({ waitUntil: 'commit' });
    proxy.resume();
    call.text('Yes, I am.').done();
    await chat.sees('Yes, I am.');
    await chat.answered();
    expect(upstream.calls.length).toBe(2);
  });

  it('has the whole text after being offline in mid-answer', async () => {
    await chat.ask('Tell me.');
    const call = await upstream.nextCall();
    call.text('Before, ');
    await chat.sees('Before,');
    proxy.refusing = true;
    proxy.cut();
    await chat.sees('Reconnecting to the server.');
    call.text('meanwhile, ').text('still meanwhile, ');
    proxy.refusing = false;
    call.text('after.').done();
    await chat.answered();
    expect(await chat.answers.innerText()).toContain('Before, meanwhile, still meanwhile, after.');
    await chat.page.getByText('Reconnecting').waitFor({ state: 'detached' });
  });

  it('has the whole text after 20 s in airplane mode, and says meanwhile that it is offline', async () => {
    await chat.ask('Tell me.');
    const call = await upstream.nextCall();
    call.text('Before, ');
    await chat.sees('Before,');
    // Nobody hangs up: bytes just go nowhere, in connections to come as well.
    proxy.stall();
    await context.setOffline(true);
    const isOver = chat.page.waitForTimeout(20_000);
    call.text('meanwhile, ');
    await chat.page.getByText('You are offline.').waitFor();
    await chat.sees('Before,');
    await isOver;
    call.text('still meanwhile, ');
    expect(await chat.page.getByText('You are offline.').isVisible()).toBe(true);
    await context.setOffline(false);
    proxy.resume();
    await chat.page.getByText('still meanwhile,').waitFor();
    await chat.page.getByText('You are offline.').waitFor({ state: 'detached' });
    call.text('after.').done();
    await chat.answered();
    expect(await chat.answers.innerText()).toContain('Before, meanwhile, still meanwhile, after.');
    expect(upstream.calls.length).toBe(1);
  });

  it('says that the device is offline', async () => {
    await context.setOffline(true);
    proxy.refusing = true;
    proxy.cut();
    await chat.sees('You are offline.');
    proxy.refusing = false;
    await context.setOffline(false);
    await chat.page.getByText('You are offline.').waitFor({ state: 'detached' });
  });

  it('streams to two tabs of one conversation, and both can stop it', async () => {
    const other = await Chat.open(context, app.url);
    await chat.ask('Tell us.');
    const call = await upstream.nextCall();
    await other.page.getByRole('navigation').getByRole('link', { name: 'Tell us.' }).click();
    call.text('To both ');
    await Promise.all([chat.sees('To both'), other.sees('To both')]);
    call.text('of you. ');
    await Promise.all([chat.sees('To both of you.'), other.sees('To both of you.')]);
    expect(upstream.calls.length).toBe(1);
    await other.button('Stop').click();
    await call.closed;
    await Promise.all([chat.sees('Stopped.'), other.sees('Stopped.')]);
    await other.page.close();
  });

  it('shows in one tab what another one has asked, edited and deleted', async () => {
    await chat.comeAnew();
    const other = await Chat.open(context, app.url);
    await chat.ask('One?');
    (await upstream.nextCall()).text('First.').done();
    await chat.answered();
    await other.page.getByRole('navigation').getByRole('link', { name: 'One?' }).click();
    await other.sees('First.');
    await other.ask('Two?');
    (await upstream.nextCall()).text('Second.').done();
    await chat.sees('Second.');
    await other.button('Delete One?').focus();
    await other.page.keyboard.press('Enter');
    await chat.sees('What would you like to know?');
    await other.page.close();
  });

  describe('where one tab hears nothing of the other', () => {
    /** As one that the browser has put to sleep. */
    const openDeaf = (): Promise<Chat> =>
      Chat.open(context, app.url, () => {
        BroadcastChannel.prototype.addEventListener = () => undefined;
      });
    let deaf: Chat;

    beforeEach(async () => {
      await chat.comeAnew();
      await chat.ask('One?');
      (await upstream.nextCall()).text('First.').done();
      await chat.answered();
    });
    afterEach(() => deaf.page.close());

    it('asks one question at a time', async () => {
      deaf = await openDeaf();
      await deaf.page.getByRole('navigation').getByRole('link', { name: 'One?' }).click();
      await deaf.sees('First.');
      await chat.ask('Two?');
      const call = await upstream.nextCall();
      await deaf.ask('Three?');
      // It finds the other question in its place, and reads the answer to that.
      await deaf.sees('Two?');
      await until(async () => (await deaf.field.inputValue()) === 'Three?');
      call.text('Second.').done();
      await Promise.all([chat.sees('Second.'), deaf.sees('Second.')]);
      await chat.answered();
      await chat.page.reload();
      await chat.sees('Second.');
      expect(await chat.answers.count()).toBe(2);
      expect(await chat.button('Send').count()).toBe(1);
      expect(upstream.calls.length).toBe(2);
    });

    it('does not replace a whole answer by a failure', async () => {
      await chat.ask('Two?');
      const call = await upstream.nextCall();
      call.text('All ');
      await chat.sees('All');
      const before = proxy.connections.length;
      deaf = await openDeaf();
      await deaf.page.getByRole('navigation').getByRole('link', { name: 'One?' }).click();
      await deaf.sees('All');
      proxy.refusing = true;
      for (const connection of proxy.connections.slice(before)) connection.cut();
      call.text('of it.').done();
      await chat.sees('All of it.');
      await chat.answered();
      await app.close();
      app = await startApp(env);
      proxy.refusing = false;
      // The server knows nothing of the answer, and the store has it.
      await deaf.answered();
      await deaf.sees('All of it.');
      await chat.page.reload();
      await chat.sees('All of it.');
      expect(await chat.page.getByText('generation_not_found').count()).toBe(0);
    });
  });

  it('keeps what there was when the server is restarted, says so, and asks again', async () => {
    await chat.ask('Tell me.');
    (await upstream.nextCall()).text('As far as here, ');
    await chat.sees('As far as here,');
    proxy.refusing = true;
    proxy.cut();
    await app.close();
    app = await startApp(env);
    proxy.refusing = false;
    await chat.sees('The server was restarted');
    await chat.sees('generation_not_found');
    await chat.sees('As far as here,');
    await chat.button('Retry').click();
    (await upstream.nextCall()).text('All of it.').done();
    await chat.sees('All of it.');
    expect(await chat.page.getByText('generation_not_found').count()).toBe(0);
  });

  it('asks nothing anew by itself when it is loaded after the server was restarted', async () => {
    await chat.comeAnew();
    await chat.ask('Tell me.');
    (await upstream.nextCall()).text('As far as here, ');
    await chat.sees('As far as here,');
    await until(async () => (await keptAnswer(chat.page))?.text.includes('here,') === true);
    await chat.page.goto('about:blank');
    await app.close();
    app = await startApp(env);
    await chat.page.goBack();
    await chat.sees('generation_not_found');
    expect(upstream.calls.length).toBe(1);
  });

  it('says when a server that goes down takes the answer with it', async () => {
    await chat.ask('Tell me.');
    (await upstream.nextCall()).text('As far as here, ');
    await chat.sees('As far as here,');
    await app.close();
    await chat.sees('node_shutdown');
    await chat.sees('As far as here,');
    app = await startApp(env);
  });
});
