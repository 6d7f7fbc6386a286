import type { Browser, BrowserContext } from 'playwright-core';
import { startApp } from '../../test/support/app.js';
import { freePort } from '../../test/support/free-port.js';
import { OpenAiUpstream } from '../../test/support/openai-upstream.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import type { RunningServer } from '../../src/server.js';
import { faults } from './support/axe.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';

const WIDTHS = [390, 1280];

describeInBrowser('before the first question, the page', () => {
  let browser: Browser;
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let context: BrowserContext;
  let chat: Chat;

  beforeAll(async () => {
    browser = await launchBrowser();
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, ALLOW_PULL: 'true' });
    context = await browser.newContext({ reducedMotion: 'reduce' });
    chat = await Chat.open(context, app.url);
  });
  beforeEach(() => {
    upstream.models = ['llama3.2'];
  });
  afterEach(() => upstream.forget());
  afterAll(async () => {
    await browser?.close();
    await app?.close();
    await upstream?.close();
  });

  /** What is done until the page knows what there is. */
  async function knowing<Value>(
    where: BrowserContext,
    comes: () => Promise<Value>,
  ): Promise<Value> {
    const told = ['/health/ready', '/llm/models'].map((path) =>
      where.waitForEvent('response', (response) => response.url().endsWith(path)),
    );
    const value = await comes();
    for (const response of await Promise.all(told)) await response.finished();
    return value;
  }

  const open = (): Promise<void> => knowing(context, () => chat.comeAnew());

  /** The page of a server with these settings, for one case. */
  async function during(
    env: Record<string, string | number>,
    visit: (chat: Chat) => Promise<void>,
  ): Promise<void> {
    const other = await startApp({ OLLAMA_BASE_URL: upstream.url, ...env });
    const itsContext = await browser.newContext({ reducedMotion: 'reduce' });
    try {
      await visit(await knowing(itsContext, () => Chat.open(itsContext, other.url)));
    } finally {
      await itsContext.close();
      await other.close();
    }
  }

  /** What is wrong with the page as it is now, for everybody, on a desktop and a phone. */
  async function allFaults(of: Chat = chat): Promise<string[]> {
    const found: string[] = [];
    for (const width of WIDTHS) {
      await of.page.setViewportSize({ width, height: 800 });
      found.push(...(await faults(of.page, width)));
    }
    return found;
  }

  it('says which model on which upstream it goes to, and where to check the connection', async () => {
    await open();
    await chat.sees('Your question goes to llama3.2 on ollama.');
    expect(await allFaults()).toEqual([]);
    await chat.page.getByRole('link', { name: 'Check the connection' }).click();
    await chat.page.getByRole('heading', { name: 'Connection doctor' }).waitFor();
  });

  it('says that the upstream does not answer and what to do, and sees by itself when it does', async () => {
    const port = await freePort();
    await during({ OLLAMA_BASE_URL: `http://127.0.0.1:${port}` }, async (chat) => {
      await chat.sees('ollama does not answer');
      await chat.sees('ollama serve');
      expect(await allFaults(chat)).toEqual([]);
      const late = await ScriptedUpstream.start(port);
      try {
        await chat.button('Look again').click();
        await chat.sees('Your question goes to llama3.2 on ollama.');
      } finally {
        await late.close();
      }
    });
  });

  it('pulls the default model where that is allowed, and is ready then', async () => {
    upstream.models = [];
    await open();
    await chat.sees('llama3.2 is not there yet: ollama answers, and has no model.');
    expect(await allFaults()).toEqual([]);
    await chat.button('Pull llama3.2').click();
    const call = await upstream.nextCall();
    expect(call.path).toBe('/api/pull');
    expect(call.body['model']).toBe('llama3.2');
    call.line({ status: 'pulling manifest' });
    await chat.sees('llama3.2 is being pulled');
    expect(await chat.button('Pull llama3.2').getAttribute('aria-disabled')).toBe('true');
    upstream.models = ['llama3.2:latest'];
    call.line({ status: 'success' }).end();
    await chat.sees('Your question goes to llama3.2 on ollama.');
    expect(upstream.calls).toHaveLength(1);
    expect(chat.offences).toEqual([]);
  });

  it('names the command where no pull is allowed, and offers a model that is there', async () => {
    upstream.models = ['qwen3:8b'];
    await during({}, async (chat) => {
      await chat.sees('ollama pull llama3.2');
      expect(await chat.button(/^Pull/).count()).toBe(0);
      await chat.button('Use qwen3:8b').click();
      await chat.sees('Your question goes to qwen3:8b on ollama.');
      await chat.page.keyboard.type('Why?');
      await chat.page.keyboard.press('Enter');
      const call = await upstream.nextCall();
      expect(call.body['model']).toBe('qwen3:8b');
      call.done();
    });
  });

  it('goes on with a model that was pulled, from its message', async () => {
    await open();
    await chat.button(/^Model:/).click();
    await chat.page.getByLabel('Pull another model').fill('tiny:1b');
    await chat.page.keyboard.press('Enter');
    await chat.page.keyboard.press('Escape');
    const call = await upstream.nextCall();
    upstream.models.push('tiny:1b');
    call.line({ status: 'success' }).end();
    await chat.button('Use it').focus();
    expect(await allFaults()).toEqual([]);
    await chat.page.keyboard.press('Enter');
    await chat.button('Model: tiny:1b').waitFor();
    await chat.sees('Your question goes to tiny:1b on ollama.');
    await chat.page.keyboard.type('Are you there?');
    await chat.page.keyboard.press('Enter');
    const question = await upstream.nextCall();
    expect(question.body['model']).toBe('tiny:1b');
    question.done();
  });

  it('denies nothing while the list of models is refused, or not there', async () => {
    await open();
    await chat.sees('Your question goes to llama3.2 on ollama.');
    for (const status of [401, 502]) {
      await chat.page.route('**/llm/models', (route) => route.fulfill({ status, body: '' }));
      await chat.page.reload();
      await chat.sees(/Your question goes to llama3\.2\. Conv/);
      await chat.button(/^Model:/).click();
      await chat.sees(`HTTP ${status}`);
      await chat.sees(/Your question goes to llama3\.2\. Conv/);
      await chat.page.unroute('**/llm/models');
    }
  });

  it.each([
    ['a model that no list shows', { ALLOWED_MODELS: 'qwen3:8b' }],
    ['a model of a server that lists a pattern', { OLLAMA_BASE_URL: '', OPENAI_MODEL: 'gpt-x' }],
  ])('denies nothing of %s', async (_of, env) => {
    const openai = await OpenAiUpstream.start();
    openai.models = ['gpt-*'];
    upstream.models = ['qwen3:8b'];
    try {
      const settings = { ...env, ...('OPENAI_MODEL' in env && { OPENAI_BASE_URL: openai.url }) };
      await during(settings, async (chat) => {
        await chat.sees(/Your question goes to (llama3\.2|gpt-x)\. Conv/);
        expect(await chat.button('Look again').count()).toBe(0);
      });
    } finally {
      await openai.close();
    }
  });
});

describeInBrowser('the choice of a model', () => {
  let browser: Browser;
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let chat: Chat;

  beforeAll(async () => {
    browser = await launchBrowser();
    upstream = await ScriptedUpstream.start();
    upstream.models = Array.from({ length: 40 }, (_, at) => `model-${at}:8b`);
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, OLLAMA_MODEL: 'model-37:8b' });
    chat = await Chat.open(await browser.newContext({ reducedMotion: 'reduce' }), app.url);
  });
  afterAll(async () => {
    await browser?.close();
    await app?.close();
    await upstream?.close();
  });

  it('opens with the chosen one in view', async () => {
    await chat.button('Model: model-37:8b').click();
    const chosen = chat.page.getByRole('radio', { checked: true });
    await chosen.waitFor();
    await chat.page.waitForFunction(() => {
      const { top, bottom } = document.querySelector(':checked')!.getBoundingClientRect();
      const panel = document.querySelector('#models')!.getBoundingClientRect();
      return top >= panel.top && bottom <= panel.bottom;
    });
    expect(await faults(chat.page, 1280)).toEqual([]);
  });

  it('finds one by a part of its name, says where there is none, and takes the first with Enter', async () => {
    const filter = chat.page.getByLabel('Filter the models');
    const radios = chat.page.getByRole('radio');
    await filter.fill('model-1');
    await radios.nth(11).waitFor({ state: 'detached' });
    expect(await radios.count()).toBe(11);
    await filter.fill('nowhere');
    await chat.sees('No model has that name.');
    expect(await faults(chat.page, 390)).toEqual([]);
    await filter.fill('MODEL-12');
    await radios.first().waitFor();
    await filter.press('Enter');
    await chat.button('Model: model-12:8b').waitFor();
    await radios.first().waitFor({ state: 'hidden' });
  });
});
