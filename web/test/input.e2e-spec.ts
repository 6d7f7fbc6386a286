import type { Browser } from 'playwright-core';
import { Stage } from '../../test/support/stage.js';
import { until } from '../../test/support/until.js';
import { describeInBrowser, launchBrowser, playwright } from './support/browser.js';
import { Chat } from './support/chat.js';

/** One red pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==';

describeInBrowser('what goes into the chat page', () => {
  let browser: Browser;
  let stage: Stage;
  let chat: Chat;

  beforeAll(async () => {
    browser = await launchBrowser();
    stage = await Stage.open();
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

  /** Safari ends the composition first: the key that ended it comes with its old code only. */
  const pressInSafari = (key: string, selector: string): Promise<void> =>
    chat.page.locator(selector).dispatchEvent('keydown', {
      key,
      keyCode: 229,
      isComposing: false,
      bubbles: true,
      cancelable: true,
    });

  /** Puts files on the page as a drop or a paste does. */
  const give = (
    event: 'drop' | 'paste',
    files: { name: string; type: string; base64: string }[],
  ): Promise<boolean> =>
    chat.page.evaluate(
      ({ event, files }) => {
        const data = new DataTransfer();
        for (const { name, type, base64 } of files) {
          const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
          data.items.add(new File([bytes], name, { type }));
        }
        const init = { bubbles: true, cancelable: true };
        const given =
          event === 'drop'
            ? new DragEvent('drop', { ...init, dataTransfer: data })
            : new ClipboardEvent('paste', { ...init, clipboardData: data });
        return !document.getElementById('question')!.dispatchEvent(given);
      },
      { event, files },
    );
  const base64 = (text: string): string => Buffer.from(text).toString('base64');

  it('leaves the Enter and the Escape of an input method alone, in the order of Safari too', async () => {
    await chat.field.fill('にほんご');
    await pressInSafari('Enter', '#question');
    expect(await chat.field.inputValue()).toBe('にほんご');
    await chat.field.press('Enter');
    const call = await stage.upstream.nextCall();
    expect(call.body['messages']).toEqual([{ role: 'user', content: 'にほんご' }]);
    call.text('One ');
    await chat.sees('One');
    await pressInSafari('Escape', '#question');
    call.text('two.').done();
    await chat.sees('One two.');
    await chat.button('Edit the question').click();
    const edit = chat.page.getByLabel('Edit your question');
    await edit.fill('日本');
    await pressInSafari('Enter', 'textarea[aria-label="Edit your question"]');
    await pressInSafari('Escape', 'textarea[aria-label="Edit your question"]');
    expect(await edit.inputValue()).toBe('日本');
    expect(stage.upstream.calls.length).toBe(1);
  });

  it('opens no keyboard by itself on a phone, and takes Enter for a new line there', async () => {
    const { devices } = await playwright();
    const context = await browser.newContext(devices['Pixel 7']);
    const phone = await Chat.open(context, stage.app.url);
    const isFocused = (): Promise<boolean> =>
      phone.field.evaluate((field) => field === document.activeElement);
    expect(await isFocused()).toBe(false);
    await phone.field.fill('One');
    await phone.field.press('Enter');
    expect(await phone.field.inputValue()).toBe('One\n');
    await phone.button('Send').tap();
    (await stage.upstream.nextCall()).text('First.').done();
    await phone.answered();
    expect(await isFocused()).toBe(false);
    await phone.button(/^Retry/).tap();
    (await stage.upstream.nextCall()).text('Second.').done();
    await phone.answered();
    expect(await isFocused()).toBe(false);
    const small = await phone.page.locator('button:visible, a.button:visible').evaluateAll((all) =>
      all
        .map((one) => ({
          name: one.getAttribute('aria-label') ?? one.textContent,
          box: one.getBoundingClientRect(),
        }))
        .filter(({ box }) => box.width > 0 && (box.height < 44 || box.width < 44))
        .map(({ name, box }) => `${name} ${box.width} × ${box.height}`),
    );
    expect(small).toEqual([]);
    expect(phone.offences).toEqual([]);
    await context.close();
  });

  it.each(['drop', 'paste'] as const)('sends an image from a %s, and keeps it', async (event) => {
    expect(await give(event, [{ name: 'red.png', type: 'image/png', base64: PNG }])).toBe(true);
    await chat.page.getByRole('list', { name: 'Attached files' }).getByText('red.png').waitFor();
    await chat.ask('What is this?');
    const call = await stage.upstream.nextCall();
    expect(call.body['messages']).toEqual([
      { role: 'user', content: 'What is this?', images: [PNG] },
    ]);
    call.text('Red.').done();
    await chat.answered();
    await chat.page.reload();
    const image = chat.page.getByRole('img', { name: 'Image 1' });
    await image.waitFor();
    expect(await image.evaluate((one: HTMLImageElement) => one.naturalWidth)).toBe(1);
    await chat.ask('Are you sure?');
    const next = await stage.upstream.nextCall();
    expect(next.body['messages']).toEqual([
      { role: 'user', content: 'What is this?', images: [PNG] },
      { role: 'assistant', content: 'Red.' },
      { role: 'user', content: 'Are you sure?' },
    ]);
    next.done();
  });

  describe('with a file that is still being read', () => {
    beforeEach(async () => {
      await chat.comeAnew();
      await chat.page.evaluate(() => {
        const read = createImageBitmap;
        let goOn = (): void => undefined;
        const held = new Promise<void>((resolve) => (goOn = resolve));
        const createHeld = async (source: ImageBitmapSource) => {
          await held;
          return read(source);
        };
        Object.assign(globalThis, { createImageBitmap: createHeld, goOn });
      });
    });
    it('keeps it with the conversation where it was chosen, also where another one is shown by then', async () => {
      await give('paste', [{ name: 'red.png', type: 'image/png', base64: PNG }]);
      await chat.page.evaluate(() => void (location.hash = '#another'));
      await goOn();
      // What is attached after it is read after it.
      await give('drop', [{ name: 'two.txt', type: 'text/plain', base64: base64('2') }]);
      const attached = chat.page.getByRole('list', { name: 'Attached files' });
      await attached.getByText('two.txt').waitFor();
      expect(await attached.getByRole('listitem').count()).toBe(1);
      await chat.page.goBack();
      await attached.getByText('red.png').waitFor();
      expect(await attached.getByRole('listitem').count()).toBe(1);
    });

    const goOn = (): Promise<void> =>
      chat.page.evaluate(() => (globalThis as unknown as { goOn: () => void }).goOn());

    it('sends it with the question that was asked meanwhile', async () => {
      await give('paste', [{ name: 'red.png', type: 'image/png', base64: PNG }]);
      await chat.ask('What is this?');
      await goOn();
      const call = await stage.upstream.nextCall();
      expect(call.body['messages']).toEqual([
        { role: 'user', content: 'What is this?', images: [PNG] },
      ]);
      call.done();
      await chat.answered();
    });

    it('sends nothing where it turns out that it cannot be read, and says so', async () => {
      await give('paste', [{ name: 'bad.png', type: 'image/png', base64: base64('no image') }]);
      await chat.ask('What is this?');
      await goOn();
      await chat.sees('bad.png is no image that this browser can read.');
      expect(await chat.field.inputValue()).toBe('What is this?');
      await chat.field.press('Enter');
      (await stage.upstream.nextCall()).done();
      await chat.answered();
      expect(stage.upstream.calls.length).toBe(1);
    });
  });

  it('makes a large image smaller, and another kind one that models read', async () => {
    await chat.page.evaluate(async () => {
      const canvas = document.createElement('canvas');
      canvas.width = 3000;
      canvas.height = 1500;
      canvas.getContext('2d')!.fillRect(0, 0, 10, 10);
      const blob = await new Promise<Blob>((resolve) =>
        canvas.toBlob((b) => resolve(b!), 'image/webp'),
      );
      const data = new DataTransfer();
      data.items.add(new File([blob], 'large.webp', { type: 'image/webp' }));
      dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
    });
    await chat.sees('large.webp');
    await chat.ask('And this?');
    const call = await stage.upstream.nextCall();
    const [{ images }] = call.body['messages'] as [{ images: string[] }];
    expect(images[0]!.startsWith('/9j/')).toBe(true);
    const size = await chat.page.evaluate(async (data) => {
      const image = new Image();
      image.src = `data:image/jpeg;base64,${data}`;
      await image.decode();
      return [image.naturalWidth, image.naturalHeight];
    }, images[0]!);
    expect(size).toEqual([2048, 1024]);
    call.done();
  });

  it('puts text files into the question as code blocks, and says what it cannot take', async () => {
    await give('drop', [
      { name: 'a.py', type: 'text/x-python', base64: base64('print("```")\n') },
      { name: 'b.zip', type: 'application/zip', base64: base64('PK\u0003\u0004\u0000') },
    ]);
    await chat.sees('b.zip is neither an image nor text.');
    await chat.button('Remove a.py').waitFor();
    await chat.ask('What does it print?');
    const call = await stage.upstream.nextCall();
    expect(call.body['messages']).toEqual([
      { role: 'user', content: 'What does it print?\n\na.py:\n````py\nprint("```")\n````' },
    ]);
    call.done();
  });

  it('attaches what is picked, and lets go of what is removed', async () => {
    const chooser = chat.page.waitForEvent('filechooser');
    await chat.button('Attach images or text files').click();
    await (
      await chooser
    ).setFiles([
      { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('A') },
      { name: 'b.txt', mimeType: 'text/plain', buffer: Buffer.from('B') },
    ]);
    await chat.button('Remove a.txt').click();
    await chat.button('Send').click();
    const call = await stage.upstream.nextCall();
    expect(call.body['messages']).toEqual([{ role: 'user', content: 'b.txt:\n```txt\nB\n```' }]);
    call.done();
  });

  it('keeps what is attached with the conversation that it was attached in', async () => {
    const attached = chat.page.getByRole('list', { name: 'Attached files' });
    await chat.ask('One?');
    (await stage.upstream.nextCall()).text('First.').done();
    await chat.answered();
    await give('drop', [
      { name: 'one.txt', type: 'text/plain', base64: base64('1') },
      { name: 'b.zip', type: 'application/zip', base64: base64('PK\u0003\u0004\u0000') },
    ]);
    await chat.sees('b.zip is neither an image nor text.');
    await attached.getByText('one.txt').waitFor();
    await chat.button('New conversation').first().click();
    await attached.waitFor({ state: 'hidden' });
    expect(await chat.page.getByRole('alert').count()).toBe(0);
    await give('drop', [{ name: 'two.txt', type: 'text/plain', base64: base64('2') }]);
    await chat.ask('Two?');
    const second = await stage.upstream.nextCall();
    expect(second.body['messages']).toEqual([
      { role: 'user', content: 'Two?\n\ntwo.txt:\n```txt\n2\n```' },
    ]);
    second.text('Second.').done();
    await chat.answered();
    await chat.page.getByRole('navigation').getByText('One?').click();
    await attached.getByText('one.txt').waitFor();
    await chat.ask('And?');
    const third = await stage.upstream.nextCall();
    expect((third.body['messages'] as { content: string }[]).at(-1)?.content).toBe(
      'And?\n\none.txt:\n```txt\n1\n```',
    );
    third.done();
  });

  it('stays where it is when something else is dropped', async () => {
    const url = chat.page.url();
    const isTaken = await give('drop', [{ name: 'a.bin', type: '', base64: base64('\u0000') }]);
    expect(isTaken).toBe(true);
    await chat.sees('a.bin is neither an image nor text.');
    expect(chat.page.url()).toBe(url);
  });

  it('shows which tools an answer of nothing else asks for, and what a model declines', async () => {
    await chat.ask('What is the weather?');
    const call = await stage.upstream.nextCall();
    call.line({
      message: {
        role: 'assistant',
        content: '',
        tool_calls: [{ function: { name: 'weather', arguments: { city: 'Ulm' } } }],
      },
      done: false,
    });
    call.done();
    await chat.answered();
    await chat.sees('The model asks for a tool:');
    await chat.sees('"city": "Ulm"');
    await chat.page.reload();
    await chat.sees('"city": "Ulm"');
  });

  it('runs questions, drafts and titles from right to left where they begin so', async () => {
    await chat.field.fill('שלום');
    const direction = (selector: string): Promise<string> =>
      chat.page
        .locator(selector)
        .first()
        .evaluate((one) => getComputedStyle(one).direction);
    expect(await direction('#question')).toBe('rtl');
    await chat.field.press('Enter');
    (await stage.upstream.nextCall()).text('مرحبا').done();
    await chat.answered();
    expect(await direction('.bubble')).toBe('rtl');
    expect(await direction('nav a')).toBe('rtl');
    // It is drawn anew at the end.
    await until(async () => (await direction('.markdown p')) === 'rtl');
  });
});
