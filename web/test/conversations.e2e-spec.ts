import { readFile } from 'node:fs/promises';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { Stage } from '../../test/support/stage.js';
import { until } from '../../test/support/until.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';

describeInBrowser('conversations of the chat page', () => {
  let browser: Browser;
  let context: BrowserContext;
  let stage: Stage;
  let chat: Chat;

  beforeAll(async () => {
    browser = await launchBrowser();
    stage = await Stage.open({ OLLAMA_NUM_PARALLEL: 1 });
    context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    chat = await Chat.open(context, stage.app.url);
  });
  beforeEach(() => begin());
  afterEach(() => {
    stage.upstream.forget();
    expect(chat.offences).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  async function answered(question: string, answer: string): Promise<void> {
    await chat.ask(question);
    (await stage.upstream.nextCall()).text(answer).done();
    await chat.answered();
  }
  const begin = (): Promise<void> => chat.begin();
  const links = (page: Page = chat.page) => page.getByRole('navigation').getByRole('link');

  it('are renamed with the keyboard, and keep their name when the first question is edited', async () => {
    await answered('One?', 'First.');
    await chat.button('Rename One?').focus();
    await chat.page.keyboard.press('Enter');
    await chat.page.keyboard.type('Numbers');
    await chat.page.keyboard.press('Enter');
    await links().getByText('Numbers').waitFor();
    await chat.button('Edit the question').click();
    await chat.page.getByLabel('Edit your question').fill('One of all?');
    await chat.button('Send again').click();
    (await stage.upstream.nextCall()).done();
    await chat.answered();
    await chat.page.reload();
    await links().getByText('Numbers').waitFor();
  });

  it('are found by what was asked and answered', async () => {
    await chat.comeAnew();
    for (const [question, answer] of [
      ['One?', 'Apples and pears.'],
      ['Two?', 'Plums.'],
      ['Three?', 'Cherries.'],
      ['Four?', 'Pears alone.'],
      ['Five?', 'Grapes.'],
      ['Six?', 'Figs.'],
    ] as const) {
      await answered(question, answer);
      await begin();
    }
    await chat.page.keyboard.press('Control+k');
    await chat.page.keyboard.type('pears app');
    await chat.sees('1 found');
    expect(await links().allInnerTexts()).toEqual(['One?']);
    await chat.page.keyboard.type('x');
    await chat.sees('Nothing found.');
    await chat.ask('Seven?');
    const call = await stage.upstream.nextCall();
    call.text('Dates ');
    await chat.sees('Dates');
    // The key that empties the field does not stop the answer.
    await chat.page.getByLabel('Search the conversations').press('Escape');
    call.text('and more.').done();
    await chat.sees('Dates and more.');
  });

  it('go into a file and come back from it, with all versions and images', async () => {
    await chat.comeAnew();
    await answered('One?', 'First **answer**.');
    await chat.button(/^Retry/).click();
    (await stage.upstream.nextCall()).text('Second.').done();
    await chat.answered();
    const download = chat.page.waitForEvent('download');
    await chat.button('Export all conversations').click();
    const file = await (await download).path();
    const json = await readFile(file, 'utf8');
    expect(JSON.parse(json)).toMatchObject({ format: 'llm-cast conversations', version: 2 });

    const other = await Chat.open(browser, stage.app.url);
    const chooser = other.page.waitForEvent('filechooser');
    await other.button('Import conversations').click();
    const name = 'conversations.json';
    const buffer = Buffer.from(json);
    await (await chooser).setFiles({ name, mimeType: 'application/json', buffer });
    await other.sees('1 conversation imported.');
    await links(other.page).getByText('One?').click();
    await other.sees('Second.');
    await other.button('Version before').click();
    await other.sees('First answer.');
    const again = other.page.waitForEvent('filechooser');
    await other.button('Import conversations').click();
    await (await again).setFiles({ name, mimeType: 'application/json', buffer: Buffer.from('{}') });
    await other.sees('This file has no conversations of llm-cast.');
    await other.page.context().close();
  });

  it('are saved as Markdown', async () => {
    await answered('One?', 'First **answer**.');
    await chat.button('Settings').click();
    const download = chat.page.waitForEvent('download');
    await chat.button('Markdown').click();
    const saved = await download;
    expect(saved.suggestedFilename()).toBe('One.md');
    expect(await readFile(await saved.path(), 'utf8')).toBe(
      '# One?\n\n## Question\n\nOne?\n\n## Answer\n\nFirst **answer**.\n',
    );
  });

  it('ask with their settings', async () => {
    await chat.button('Settings').click();
    await chat.page.getByLabel('Temperature').fill('0.3');
    await chat.page.getByLabel('Most tokens').fill('50');
    await chat.page.getByLabel('Seed').fill('7');
    await chat.page.getByLabel('Thinking').selectOption('off');
    await chat.page.keyboard.press('Escape');
    await chat.button('Settings (changed)').waitFor();
    await chat.ask('One?');
    const call = await stage.upstream.nextCall();
    expect(call.body['options']).toMatchObject({ temperature: 0.3, num_predict: 50, seed: 7 });
    expect(call.body['think']).toBe(false);
    call.text('First.').done();
    await chat.answered();
    await chat.page.reload();
    await chat.button('Settings (changed)').click();
    expect(await chat.page.getByLabel('Seed').inputValue()).toBe('7');
  });

  it('do not have a model think that cannot', async () => {
    const { upstream } = stage;
    upstream.models.push('thinker');
    upstream.capabilities = { thinker: ['completion', 'thinking'], 'llama3.2': ['completion'] };
    await chat.page.goto(`${stage.app.url}/?model=thinker`);
    await chat.button('Model: thinker').waitFor();
    await chat.button('Settings').click();
    await chat.page.locator('#settings').getByLabel('Thinking').selectOption('on');
    await chat.page.getByLabel('Seed').fill('7');
    await chat.page.keyboard.press('Escape');
    await chat.ask('One?');
    const first = await upstream.nextCall();
    expect(first.body['think']).toBe(true);
    first.text('First.').done();
    await chat.answered();
    await chat.button('Model: thinker').click();
    await chat.page.getByRole('radio', { name: 'llama3.2' }).click();
    await chat.ask('Two?');
    const second = await upstream.nextCall();
    expect(second.body).toMatchObject({ model: 'llama3.2', options: { seed: 7 } });
    expect(second.body).not.toHaveProperty('think');
    second.text('Second.').done();
    await chat.answered();
  });

  it('keep their settings apart when Back leads to another one', async () => {
    await chat.comeAnew();
    await answered('One?', 'First.');
    await begin();
    await answered('Two?', 'Second.');
    await links().getByText('One?').click();
    await chat.sees('First.');
    await chat.button('Settings').click();
    await chat.page.getByLabel('System prompt').fill('You are a poet.');
    await chat.page.goBack();
    await chat.sees('Second.');
    await chat.page.keyboard.press('Escape');
    await chat.ask('And now?');
    const call = await stage.upstream.nextCall();
    expect(JSON.stringify(call.body['messages'])).not.toContain('poet');
    call.done();
    await chat.answered();
  });

  it.each(['Stop', 'length', 'failure'])('go on with an answer after %s', async (why) => {
    await chat.ask('Count.');
    const call = await stage.upstream.nextCall();
    call.text('One, two, ');
    await chat.sees('One, two,');
    if (why === 'Stop') await chat.button('Stop').click();
    else if (why === 'length') call.done({ done_reason: 'length' });
    else call.end();
    await chat.answered();
    await chat.button('Continue').click();
    const next = await stage.upstream.nextCall();
    expect(next.body['messages']).toEqual([
      { role: 'user', content: 'Count.' },
      { role: 'assistant', content: 'One, two, ' },
    ]);
    next.text('three.').done();
    await chat.answered();
    await chat.sees('One, two, three.');
    await chat.page.reload();
    await chat.sees('One, two, three.');
    expect(await chat.button('Continue').count()).toBe(0);
  });

  it('say which one waits, runs, has failed, or has something new', async () => {
    await chat.comeAnew();
    await chat.ask('One?');
    const one = await stage.upstream.nextCall();
    await begin();
    await chat.ask('Two?');
    const state = (question: string, text: string): Promise<void> =>
      chat.page
        .getByRole('navigation')
        .getByRole('listitem')
        .filter({ hasText: question })
        .getByText(text, { exact: true })
        .waitFor({ state: 'attached' });
    await state('One?', 'answer under way');
    await state('Two?', 'waits for its turn');
    await begin();
    one.text('First.').done();
    await state('One?', 'new answer');
    (await stage.upstream.nextCall()).text('Second').end();
    await state('Two?', 'failed');
    await links().getByText('One?').click();
    await chat.sees('First.');
    await chat.page.getByText('new answer', { exact: true }).waitFor({ state: 'detached' });
    // Another tab, where somebody does not see it, says that it is new.
    const other = await Chat.open(context, stage.app.url);
    const unread = () => other.page.evaluate(() => localStorage.getItem('llm-cast unread'));
    await other.page.evaluate(
      (id) => localStorage.setItem('llm-cast unread', JSON.stringify([id])),
      new URL(chat.page.url()).hash.slice(1),
    );
    await until(async () => (await unread()) === '[]');
    await other.page.close();
  });

  it('tell of an answer in the background, where that is wanted', async () => {
    await context.grantPermissions(['notifications']);
    await chat.page.evaluate(() => {
      const told: string[] = [];
      Object.assign(globalThis, {
        told,
        Notification: class extends EventTarget {
          static permission = 'granted';
          static async requestPermission(): Promise<string> {
            return 'granted';
          }
          constructor(title: string, { body }: { body: string }) {
            super();
            told.push(`${title}: ${body}`);
          }
        },
      });
    });
    const told = (): Promise<string[]> =>
      chat.page.evaluate(() => (globalThis as unknown as { told: string[] }).told);
    const hide = (isHidden: boolean): Promise<void> =>
      chat.page.evaluate((isHidden) => {
        const value = isHidden ? 'hidden' : 'visible';
        Object.defineProperty(document, 'visibilityState', { value, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, isHidden);
    await chat.button('Notify me of answers in the background').click();
    await answered('One?', 'First.');
    expect(await told()).toEqual([]);
    await chat.ask('Two?');
    const call = await stage.upstream.nextCall();
    await hide(true);
    call.text('Second.').done();
    await chat.answered();
    await chat.page.getByText('new answer', { exact: true }).waitFor({ state: 'attached' });
    await until(async () => (await told()).length === 1);
    expect(await told()).toEqual(['One?: The answer is complete.']);
    await hide(false);
    await chat.page.getByText('new answer', { exact: true }).waitFor({ state: 'detached' });
    // Nor of one that is seen in another tab.
    const other = await Chat.open(context, chat.page.url());
    await chat.ask('Three?');
    const third = await stage.upstream.nextCall();
    third.text('At last, ');
    await Promise.all([chat.sees('At last,'), other.sees('At last,')]);
    await hide(true);
    third.text('the third.').done();
    await Promise.all([chat.answered(), other.answered()]);
    await chat.page.waitForTimeout(2_000);
    expect(await told()).toHaveLength(1);
    await other.page.close();
    await chat.comeAnew();
  });

  it('are reached with shortcuts, which a dialog lists', async () => {
    await answered('One?', 'First.');
    await chat.page.locator('.viewport').focus();
    await chat.page.keyboard.press('/');
    expect(await chat.page.locator(':focus').getAttribute('id')).toBe('question');
    await chat.page.keyboard.press('Control+Shift+O');
    await chat.sees('What would you like to know?');
    await chat.page.locator('.viewport').focus();
    await chat.page.keyboard.press('?');
    await chat.page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
    await chat.page.keyboard.press('Escape');
    await chat.page.getByRole('dialog').waitFor({ state: 'hidden' });
    await chat.field.fill('What?');
    await chat.field.press('End');
    await chat.page.keyboard.type('/?');
    expect(await chat.field.inputValue()).toBe('What?/?');
  });

  it('begin with a question and a model of a link, and ask nothing by themselves', async () => {
    stage.upstream.models.push('qwen3:8b');
    await chat.page.goto(`${stage.app.url}/?q=Why%20is%20it%3F&model=qwen3:8b`);
    await chat.button('Model: qwen3:8b').waitFor();
    expect(await chat.field.inputValue()).toBe('Why is it?');
    expect(new URL(chat.page.url()).search).toBe('');
    expect(stage.upstream.calls.length).toBe(0);
    await chat.field.press('Enter');
    const call = await stage.upstream.nextCall();
    expect(call.body['model']).toBe('qwen3:8b');
    call.done();
  });

  it('warn when they fill the context of the model', async () => {
    await chat.ask('Much?');
    const call = await stage.upstream.nextCall();
    // By now it is loaded.
    stage.upstream.contextLength = 1_000;
    call.text('Yes.').done({ prompt_eval_count: 700, eval_count: 20 });
    await chat.sees('72 % of 1000 tokens of context');
    expect(await chat.page.getByText('begin a new conversation.').count()).toBe(0);
    await chat.ask('More?');
    const next = await stage.upstream.nextCall();
    next.text('Yes.').done({ prompt_eval_count: 850, eval_count: 20 });
    await chat.sees('87 % of 1000 tokens of context');
    await chat.sees('begin a new conversation.');
  });

  it('are light or dark as somebody wants, from the first moment on', async () => {
    const colour = (): Promise<string> =>
      chat.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await colour();
    await chat.button('Theme: system').click();
    await chat.button('Theme: light').click();
    await chat.button('Theme: dark').waitFor();
    const dark = await colour();
    expect(dark).not.toBe(light);
    await chat.page.addInitScript(() => {
      document.addEventListener('DOMContentLoaded', () => {
        const early = getComputedStyle(document.body).backgroundColor;
        Object.assign(globalThis, { early });
      });
    });
    await chat.page.reload();
    await chat.button('Theme: dark').waitFor();
    const early = await chat.page.evaluate(
      () => (globalThis as unknown as { early: string }).early,
    );
    expect(early).toBe(dark);
    await chat.button('Theme: dark').click();
    await chat.button('Theme: system').waitFor();
    expect(await colour()).toBe(light);
  });
});
