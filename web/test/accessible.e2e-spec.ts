import type { Browser, Locator } from 'playwright-core';
import { Stage } from '../../test/support/stage.js';
import { until } from '../../test/support/until.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { faults } from './support/axe.js';
import { Chat } from './support/chat.js';

const LONG_WORD =
  'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft';
const ANSWER = `# A heading\n\n${LONG_WORD} and \`code\`.\n\n\`\`\`js\nconst x = '${'x'.repeat(200)}';\n\`\`\`\n\n| a | b |\n|-|-|\n| ${LONG_WORD} | 2 |\n`;

describeInBrowser('the chat page, for everybody', () => {
  let browser: Browser;
  let stage: Stage;
  let chat: Chat;
  /** Pixels that the conversation goes on below what is seen. */
  const fromEnd = (): Promise<number> =>
    chat.page
      .locator('.viewport')
      .evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight);

  beforeAll(async () => {
    browser = await launchBrowser();
    stage = await Stage.open({ ALLOW_PULL: 'true' });
    stage.upstream.models = ['llama3.2', `${LONG_WORD}:70b`];
    chat = await Chat.open(browser, stage.app.url);
  });
  beforeEach(() => chat.begin());
  afterEach(() => stage.upstream.forget());
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  it.each([1280, 390])(
    'has no serious fault in any state, in light and dark, %d px wide',
    async (width) => {
      const context = await browser.newContext({ reducedMotion: 'reduce' });
      const still = await Chat.open(context, stage.app.url);
      await still.page.setViewportSize({ width, height: 800 });
      const found: Record<string, string[]> = {};
      const look = async (state: string): Promise<void> => {
        found[state] = await faults(still.page, width);
      };

      await look('empty');
      await still.ask(`Why, ${LONG_WORD}?`);
      const call = await stage.upstream.nextCall();
      await look('waiting');
      call
        .line({ message: { role: 'assistant', content: '', thinking: LONG_WORD }, done: false })
        .text(ANSWER);
      await still.sees('A heading');
      await look('streaming');
      call.done();
      await still.answered();
      await look('finished');
      await still.ask('And?');
      (await stage.upstream.nextCall()).text('Half').end();
      await still.sees('upstream_truncated');
      await look('failed');
      await still.button('Edit the question').first().click();
      await look('editing');
      await still.page.keyboard.press('Escape');
      await still.button(/^Model:/).click();
      await still.page.getByRole('radio').first().waitFor();
      await look('choosing a model');
      await still.page.getByLabel('Pull another model').fill('tiny');
      await still.page.keyboard.press('Enter');
      (await stage.upstream.nextCall()).line({
        status: 'pulling',
        digest: 'a',
        total: 9,
        completed: 3,
      });
      await still.sees('3 B of 9 B');
      await still.page.keyboard.press('Escape');
      await look('pulling');
      await still.button('Settings').click();
      await look('system prompt');
      await still.page.keyboard.press('Escape');
      if (width === 390) {
        await still.button('Conversations').click();
        await look('conversations');
      }
      await still.button(/^Delete/).focus();
      await still.page.keyboard.press('Enter');
      await still.button('Undo').waitFor({ state: 'attached' });
      await look('deleted');

      expect(found).toEqual(Object.fromEntries(Object.keys(found).map((state) => [state, []])));
      expect(still.offences).toEqual([]);
      await context.close();
    },
  );

  it('tells a screen reader that an answer begins and ends, and none of its words', async () => {
    await chat.page.evaluate(() => {
      const heard: string[] = [];
      Object.assign(globalThis, { heard });
      for (const region of document.querySelectorAll('[role=status], [aria-live]')) {
        const options = { childList: true, characterData: true, subtree: true };
        new MutationObserver(() => heard.push(region.textContent.trim())).observe(region, options);
      }
    });
    await chat.ask('One?');
    const call = await stage.upstream.nextCall();
    for (const word of ['One ', 'two ', 'three ']) {
      call.text(word);
      await chat.sees(word.trim());
    }
    call.done();
    await chat.answered();
    await chat.page.getByText('The answer is complete.').waitFor({ state: 'attached' });
    const heard = await chat.page.evaluate(
      () => (globalThis as unknown as { heard: string[] }).heard,
    );
    // A busy machine may also hear that the page connects anew.
    const ofIt = heard.filter((said) => said.startsWith('The answer'));
    expect(ofIt).toEqual(['The answer begins.', 'The answer is complete.']);
    expect(heard.join(' ')).not.toMatch(/One|two|three/);
  });

  it('leads with the keyboard past everything to the question', async () => {
    await chat.comeAnew();
    await chat.page.keyboard.press('Tab');
    await chat.page.keyboard.press('Enter');
    await chat.page.keyboard.type('By hand?');
    await chat.page.keyboard.press('Enter');
    (await stage.upstream.nextCall()).text('By hand.').done();
    await chat.sees('By hand.');
  });

  it('follows the end of an answer, and leaves alone who reads further up', async () => {
    const viewport = chat.page.locator('.viewport');
    await chat.ask('Much?');
    const call = await stage.upstream.nextCall();
    const write = async (word: string): Promise<void> => {
      call.text(`${word}\n\n`.repeat(40)).text(`${word} end `);
      await chat.sees(`${word} end`);
    };
    await write('first');
    await until(async () => (await fromEnd()) < 2);
    await viewport.hover();
    // Little by little, as a finger does.
    await chat.page.mouse.wheel(0, -20);
    await chat.button('Latest').waitFor();
    await chat.page.mouse.wheel(0, -400);
    await until(async () => (await fromEnd()) > 419);
    const before = await viewport.evaluate((box) => box.scrollTop);
    await write('second');
    // The page keeps a running answer once a second.
    await chat.page.waitForTimeout(1_500);
    await write('third');
    expect(await viewport.evaluate((box) => box.scrollTop)).toBe(before);
    await chat.button('Latest').click();
    await chat.button('Latest').waitFor({ state: 'detached' });
    expect(await fromEnd()).toBeLessThan(2);
    await write('fourth');
    await until(async () => (await fromEnd()) < 2);
    call.done();
  });

  it('shows the end of an answer that is asked for again', async () => {
    for (const text of ['much\n\n'.repeat(40), 'little']) {
      await chat.ask('Why?');
      (await stage.upstream.nextCall()).text(text).done();
      await chat.answered();
    }
    await until(async () => (await fromEnd()) < 2);
    await chat.page.locator('.viewport').hover();
    await chat.page.mouse.wheel(0, -100);
    await until(async () => (await fromEnd()) > 99);
    // Not as a mouse does it, which would scroll there first.
    await chat
      .button(/^Retry/)
      .last()
      .evaluate((button: HTMLElement) => button.click());
    (await stage.upstream.nextCall()).text('more\n\n'.repeat(40)).done();
    await chat.sees('more');
    await chat.answered();
    await until(async () => (await fromEnd()) < 2);
  });

  it('keeps the focus where one goes on: after Send, Stop, Retry, Edit, Delete and Undo', async () => {
    const { page, field } = chat;
    const focused = async (name: string | Locator): Promise<void> => {
      const target = typeof name === 'string' ? chat.button(name) : name;
      await target.and(page.locator(':focus')).waitFor();
    };
    const answer = async (text: string): Promise<void> => {
      (await stage.upstream.nextCall()).text(text).done();
      await chat.sees(text);
      await chat.answered();
    };

    await field.fill('First?');
    await chat.button('Send').focus();
    await page.keyboard.press('Enter');
    await focused('Stop');
    await answer('One.');
    await focused('Send');

    await chat.ask('Second?');
    const stopped = await stage.upstream.nextCall();
    await chat.button('Stop').focus();
    await page.keyboard.press('Enter');
    await stopped.closed;
    await focused('Send');

    await chat.ask('Third?');
    (await stage.upstream.nextCall()).text('Half').end();
    await chat.button('Retry').focus();
    await page.keyboard.press('Enter');
    await answer('Three.');
    await focused(field);

    await chat.button('Edit the question').last().focus();
    await page.keyboard.press('Enter');
    await page.getByLabel('Edit your question').fill('Third, again?');
    await chat.button('Send again').focus();
    await page.keyboard.press('Enter');
    await focused(field);
    await answer('Three again.');

    await chat.button('Delete First?').focus();
    await page.keyboard.press('Enter');
    await focused('Undo');
    await page.keyboard.press('Enter');
    await chat.sees('Three again.');
    await focused(field);
  });

  it('draws only what is in view of a long conversation, and still goes to its end', async () => {
    const { page } = chat;
    await page.evaluate(async () => {
      const turns = Array.from({ length: 80 }, (_, at) => ({
        id: `turn ${at}`,
        question: `Question ${at}?`,
        answer: {
          id: `answer ${at}`,
          askedAt: at,
          state: 'completed',
          text: `Answer ${at}.\n\n${'A paragraph.\n\n'.repeat(at % 7)}`,
          thinking: '',
        },
      }));
      const kept = { id: 'long', title: 'Long', system: '', updatedAt: 1, turns };
      const db = await new Promise<IDBDatabase>((resolve) => {
        const opened = indexedDB.open('llm-cast');
        opened.addEventListener('success', () => resolve(opened.result));
      });
      const written = db.transaction('conversations', 'readwrite');
      written.objectStore('conversations').put(kept);
      await new Promise((resolve) => written.addEventListener('complete', resolve));
      db.close();
      location.hash = 'long';
    });
    await page.reload();
    const isAtEnd = (): Promise<unknown> =>
      page.waitForFunction(() => {
        const box = document.querySelector('.viewport');
        if (box === null) return false;
        const last = [...box.querySelectorAll('.turn')].at(-1);
        const fromEnd = box.scrollHeight - box.scrollTop - box.clientHeight;
        return last?.checkVisibility({ contentVisibilityAuto: true }) === true && fromEnd < 2;
      });
    await isAtEnd();
    const drawn = await page
      .locator('.turn')
      .evaluateAll(
        (turns) =>
          turns.filter((turn) =>
            turn.firstElementChild!.checkVisibility({ contentVisibilityAuto: true }),
          ).length,
      );
    expect(drawn).toBeGreaterThan(0);
    expect(drawn).toBeLessThan(20);

    await chat.ask('And?');
    const call = await stage.upstream.nextCall();
    call.text('More.\n\n'.repeat(40)).text('Enough ');
    await chat.sees('Enough');
    await isAtEnd();
    await page.locator('.viewport').hover();
    await page.mouse.wheel(0, -6000);
    await chat.button('Latest').click();
    await isAtEnd();
    await chat.button('Latest').waitFor({ state: 'detached' });
    call.done();
  });
});
