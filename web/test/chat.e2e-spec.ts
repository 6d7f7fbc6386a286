import type { Browser } from 'playwright-core';
import { Stage } from '../../test/support/stage.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';

describeInBrowser('the chat page', () => {
  let browser: Browser;
  let stage: Stage;
  let chat: Chat;

  beforeAll(async () => {
    browser = await launchBrowser();
    stage = await Stage.open();
    stage.upstream.models = ['llama3.2', 'qwen3:8b'];
    chat = await Chat.open(browser, stage.app.url);
  });
  beforeEach(() => chat.begin());
  afterEach(() => {
    stage.upstream.forget();
    expect(chat.offences).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  it('shows the answer while it is being written, then its figures', async () => {
    await chat.ask('Why is the sky blue?');
    const call = await stage.upstream.nextCall();
    expect(call.body['messages']).toEqual([{ role: 'user', content: 'Why is the sky blue?' }]);
    call.text('The sky scatters ');
    await chat.sees('The sky scatters');
    expect(await chat.button('Stop').isVisible()).toBe(true);
    call.text('blue light.').done();
    await chat.answered();
    expect(await chat.answers.innerText()).toContain('The sky scatters blue light.');
    await chat.sees(/^llama3\.2 · 3 tokens · 20\.0 tokens\/s · first after \d+/);
  });

  it('gives the model the conversation so far, and the system prompt before it', async () => {
    await chat.button('Settings').click();
    await chat.page.getByLabel('System prompt', { exact: true }).fill('You are brief.');
    await chat.button('Done').click();
    await chat.button('Settings (changed)').waitFor();
    await chat.ask('One?');
    (await stage.upstream.nextCall()).text('First.').done();
    await chat.answered();
    await chat.ask('Two?');
    const call = await stage.upstream.nextCall();
    expect(call.body['messages']).toEqual([
      { role: 'system', content: 'You are brief.' },
      { role: 'user', content: 'One?' },
      { role: 'assistant', content: 'First.' },
      { role: 'user', content: 'Two?' },
    ]);
    call.done();
  });

  it.each(['the button', 'Esc'])('stops the model with %s and keeps what is there', async (how) => {
    await chat.ask('Count for ever.');
    const call = await stage.upstream.nextCall();
    call.text('One, two, ');
    await chat.sees('One, two,');
    if (how === 'Esc') await chat.page.keyboard.press('Escape');
    else await chat.button('Stop').click();
    await call.closed;
    await chat.sees('Stopped.');
    await chat.page.reload();
    await chat.sees('One, two,');
    await chat.sees('Stopped.');
  });

  it('keeps each answer as a version when it is asked for again', async () => {
    await chat.ask('A number?');
    (await stage.upstream.nextCall()).text('Seven.').done();
    await chat.answered();
    await chat.button(/^Retry/).click();
    const call = await stage.upstream.nextCall();
    expect(call.body['messages']).toEqual([{ role: 'user', content: 'A number?' }]);
    call.text('Eight.').done();
    await chat.sees('Eight.');
    expect(await chat.page.getByText('Seven.').count()).toBe(0);
    await chat.sees('2/2');
    const before = chat.button('Version before');
    await before.focus();
    await chat.page.keyboard.press('Enter');
    await chat.sees('Seven.');
    await chat.sees('1/2');
    expect(await before.evaluate((button) => button === document.activeElement)).toBe(true);
    await chat.page.reload();
    await chat.sees('Seven.');
    await chat.button('Next version').click();
    await chat.sees('Eight.');
  });

  it('keeps what an answer had when another one is asked for and stopped', async () => {
    await chat.ask('A story?');
    (await stage.upstream.nextCall()).text('A long story. '.repeat(100)).done();
    await chat.answered();
    await chat.button(/^Retry/).click();
    (await stage.upstream.nextCall()).text('Once upon ');
    await chat.sees('Once upon');
    await chat.page.keyboard.press('Escape');
    await chat.sees('Stopped.');
    await chat.button('Version before').click();
    await chat.sees(/^(A long story\. ?){100}$/);
  });

  it('goes on in the version that is shown, and reads an answer in one that is not', async () => {
    await chat.ask('One?');
    (await stage.upstream.nextCall()).text('First.').done();
    await chat.answered();
    await chat.button(/^Retry/).click();
    const call = await stage.upstream.nextCall();
    call.text('Second ');
    await chat.sees('Second');
    await chat.button('Version before').click();
    await chat.sees('First.');
    call.text('and whole.').done();
    await chat.ask('And then?');
    const next = await stage.upstream.nextCall();
    expect(next.body['messages']).toEqual([
      { role: 'user', content: 'One?' },
      { role: 'assistant', content: 'First.' },
      { role: 'user', content: 'And then?' },
    ]);
    next.text('Nothing.').done();
    await chat.answered();
    await chat.button('Next version').click();
    await chat.sees('Second and whole.');
    expect(await chat.answers.count()).toBe(1);
    await chat.button('Version before').click();
    await chat.sees('Nothing.');
  });

  it('asks an edited question again, and keeps all that followed the one before', async () => {
    for (const [question, answer] of [
      ['First?', 'One.'],
      ['Second?', 'Two.'],
      ['Third?', 'Three.'],
    ] as const) {
      await chat.ask(question);
      (await stage.upstream.nextCall()).text(answer).done();
      await chat.answered();
    }
    await chat.button('Edit the question').first().click();
    await chat.sees('all that follows it, stays as a version');
    await chat.page.getByLabel('Edit your question').fill('First of all?');
    await chat.button('Send again').click();
    const call = await stage.upstream.nextCall();
    expect(call.body['messages']).toEqual([{ role: 'user', content: 'First of all?' }]);
    call.text('Another.').done();
    await chat.sees('Another.');
    expect(await chat.answers.count()).toBe(1);
    await chat.page.reload();
    await chat.sees('Another.');
    expect(await chat.answers.count()).toBe(1);
    await chat.button('Version before').click();
    await chat.sees('Three.');
    expect(await chat.answers.count()).toBe(3);
    await chat.button('Edit the question').nth(1).click();
    await chat.page.getByLabel('Edit your question').fill('Second of all?');
    await chat.button('Send again').click();
    const last = await stage.upstream.nextCall();
    expect(last.body['messages']).toEqual([
      { role: 'user', content: 'First?' },
      { role: 'assistant', content: 'One.' },
      { role: 'user', content: 'Second of all?' },
    ]);
    last.done();
  });

  it('asks the model that was picked, and goes on with it', async () => {
    await chat.button('Model: llama3.2').click();
    await chat.page.getByRole('radio', { name: /^qwen3:8b/ }).click();
    await chat.ask('Who are you?');
    const call = await stage.upstream.nextCall();
    expect(call.body['model']).toBe('qwen3:8b');
    call.text('Qwen.').done();
    await chat.sees(/^qwen3:8b · /);
    await chat.button('New conversation').click();
    await chat.sees('What would you like to know?');
    await chat.button('Model: qwen3:8b').waitFor();
  });

  it('keeps thoughts folded', async () => {
    await chat.ask('Hard?');
    const call = await stage.upstream.nextCall();
    call.line({ message: { role: 'assistant', content: '', thinking: 'Hm, hm.' }, done: false });
    await chat.sees('Thinking…');
    const thought = chat.page.getByText('Hm, hm');
    expect(await thought.isVisible()).toBe(false);
    await chat.page.getByText('Thinking…').click();
    await thought.waitFor();
    call.text('Yes.').done();
    await chat.sees(/^Thought for \d+ s$/);
  });

  it('keeps conversations under the first question, and brings a deleted one back', async () => {
    await chat.comeAnew();
    await chat.ask('Where is north?\nOn a map.');
    (await stage.upstream.nextCall()).text('Up.').done();
    await chat.answered();
    await chat.button('New conversation').click();
    await chat.ask('And south?');
    (await stage.upstream.nextCall()).text('Down.').done();
    await chat.answered();
    await chat.page.reload();
    const links = chat.page.getByRole('navigation').getByRole('link');
    await links.first().waitFor();
    expect(await links.allInnerTexts()).toEqual(['And south?', 'Where is north?']);
    await links.last().click();
    await chat.sees('Up.');

    await chat.button('Delete Where is north?').focus();
    await chat.page.keyboard.press('Enter');
    await chat.sees('What would you like to know?');
    expect(await links.allInnerTexts()).toEqual(['And south?']);
    await chat.button('Undo').click();
    await chat.sees('Up.');
    await chat.page.reload();
    await chat.sees('Up.');
  });

  it('sends with Enter, and takes Shift+Enter as a new line', async () => {
    await chat.field.fill('One');
    await chat.field.press('Shift+Enter');
    await chat.field.pressSequentially('Two');
    await chat.field.press('Enter');
    const call = await stage.upstream.nextCall();
    expect(call.body['messages']).toEqual([{ role: 'user', content: 'One\nTwo' }]);
    call.done();
  });

  it('reaches each model with the arrow keys, and closes with Enter', async () => {
    stage.upstream.models = ['llama3.2', 'b', 'c', 'd', 'e'];
    await chat.button(/^Model:/).click();
    const radios = chat.page.getByRole('radio');
    await radios.nth(4).waitFor();
    await radios.first().focus();
    for (let press = 0; press < 4; press++) await chat.page.keyboard.press('ArrowDown');
    expect(await radios.nth(4).isChecked()).toBe(true);
    await chat.page.keyboard.press('Enter');
    await radios.first().waitFor({ state: 'hidden' });
    await chat.button('Model: e').waitFor();
    await chat.ask('Who are you?');
    const call = await stage.upstream.nextCall();
    expect(call.body['model']).toBe('e');
    call.done();
  });

  it('does not stop the answer with the Escape of an input method', async () => {
    await chat.ask('Count for ever.');
    const call = await stage.upstream.nextCall();
    call.text('One, two, ');
    await chat.sees('One, two,');
    await chat.field.dispatchEvent('keydown', { key: 'Escape', isComposing: true });
    call.text('three.').done();
    await chat.answered();
    expect(await chat.answers.innerText()).toContain('One, two, three.');
    expect(await chat.page.getByText('Stopped.').count()).toBe(0);
  });

  it('keeps what is typed for each conversation, over a reload too', async () => {
    await chat.field.fill('Not yet asked');
    await chat.page.reload();
    await chat.field.waitFor();
    expect(await chat.field.inputValue()).toBe('Not yet asked');
    await chat.ask('Where is east?');
    (await stage.upstream.nextCall()).text('Right.').done();
    await chat.answered();
    expect(await chat.field.inputValue()).toBe('');
    await chat.field.fill('And south?');
    await chat.button('New conversation').click();
    await chat.sees('What would you like to know?');
    expect(await chat.field.inputValue()).toBe('');
    await chat.field.fill('Something else');
    await chat.page.getByRole('link', { name: 'Where is east?' }).click();
    await chat.sees('Right.');
    expect(await chat.field.inputValue()).toBe('And south?');
    await chat.page.reload();
    await chat.sees('Right.');
    expect(await chat.field.inputValue()).toBe('And south?');
  });

  it('copies an answer where the browser has no clipboard for pages, and says so', async () => {
    await chat.page.evaluate(() =>
      Object.defineProperty(navigator, 'clipboard', { value: undefined }),
    );
    await chat.ask('Which?');
    (await stage.upstream.nextCall()).text('This **one**.').done();
    await chat.answered();
    await chat.button('Copy the answer').click();
    const said = chat.page.getByRole('status').getByText('Copied', { exact: true });
    await said.waitFor({ state: 'attached' });
    await chat.field.focus();
    await chat.page.keyboard.press('Control+V');
    expect(await chat.field.inputValue()).toBe('This **one**.');
  });
});
