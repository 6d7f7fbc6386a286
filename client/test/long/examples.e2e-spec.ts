import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { freePort } from '../../../test/support/free-port.js';
import { Stage } from '../../../test/support/stage.js';
import { describeInBrowser, launchBrowser } from '../../../web/test/support/browser.js';
import { App, ask, openPage, ROOT, sees } from '../support/example.js';

describeInBrowser('the example', () => {
  let browser: Browser;
  let stage: Stage;
  let app: App | undefined;

  beforeAll(async () => {
    browser = await launchBrowser();
    stage = await Stage.open();
  });
  afterEach(async () => {
    await app?.close();
    app = undefined;
  });
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
  });

  const start = async (name: string, args: string[] = []): Promise<string> => {
    const port = String(await freePort());
    const env = {
      PORT: port,
      LLM_CAST_URL: stage.app.url,
      LLM_CAST_SOCKET_URL: stage.app.socketUrl,
    };
    const vite = args.length === 0 ? [] : ['--', ...args, port];
    app = new App('npm', ['start', ...vite], join(ROOT, 'examples', name), env);
    return app.answers();
  };

  it('browser asks without a build, and goes on after a reload', async () => {
    const { page, complaints } = await openPage(browser, await start('browser'));
    const call = await ask(page, stage);
    await page.reload();
    await sees(page, 'Because');
    call.text(' of Rayleigh.').done();
    await sees(page, 'Because of Rayleigh.');
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('node asks in its own words, and the answer goes straight to the page', async () => {
    const url = await start('node');
    const bad = await fetch(`${url}/ask`, { method: 'POST', body: 'no JSON' });
    expect(bad.status).toBe(502);
    const { page, complaints } = await openPage(browser, url);
    const call = await ask(page, stage);
    expect(call.body['messages']).toHaveLength(2);
    call.text(' of Rayleigh.').done();
    await sees(page, 'Because of Rayleigh.');
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it.each(['vue', 'react'])('%s has a conversation that survives a reload', async (name) => {
    const url = await start(name, ['--port']);
    const { page, complaints } = await openPage(browser, url);
    const call = await ask(page, stage);
    await page.reload();
    await sees(page, 'Because');
    // What is typed meanwhile waits.
    const question = page.getByRole('textbox', { name: 'Question' });
    await question.fill('And the sea?');
    await question.press('Enter');
    expect(await question.inputValue()).toBe('And the sea?');
    call.text(' of Rayleigh.').done();
    await sees(page, 'Because of Rayleigh.');
    await page.getByRole('button', { name: 'Again' }).click();
    (await stage.upstream.nextCall()).text('Ask him.').done();
    await sees(page, 'Ask him.');
    await page.getByRole('button', { name: '1', exact: true }).click();
    await sees(page, 'Because of Rayleigh.');
    page.once('dialog', (dialog) => void dialog.accept('Why not?'));
    await page.getByRole('button', { name: 'Edit' }).click();
    const edited = await stage.upstream.nextCall();
    expect(edited.body['messages']).toEqual([{ role: 'user', content: 'Why not?' }]);
    edited.text('It');
    await sees(page, 'It');
    await page.getByRole('button', { name: 'Stop' }).click();
    await edited.closed;
    await page.getByRole('button', { name: 'Ask', exact: true }).waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('ai-sdk goes on after a reload, and its Stop stops the model', async () => {
    const { page, complaints } = await openPage(browser, await start('ai-sdk', ['--port']));
    const call = await ask(page, stage);
    await page.reload();
    await sees(page, 'Because');
    call.text(' of Rayleigh.').done();
    await sees(page, 'Because of Rayleigh.');
    await page.reload();
    await sees(page, 'Because of Rayleigh.');
    await page.getByRole('button', { name: 'Again' }).click();
    const again = await stage.upstream.nextCall();
    again.text('Ask him');
    await sees(page, 'Ask him');
    await page.getByRole('button', { name: 'Stop' }).click();
    await again.closed;
    await page.getByRole('button', { name: 'Ask', exact: true }).waitFor();
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('is started by one command from a clone', async () => {
    const env = {
      PORT: String(await freePort()),
      LLM_CAST_URL: stage.app.url,
      LLM_CAST_SOCKET_URL: stage.app.socketUrl,
    };
    app = new App('npm', ['run', 'example', '--', 'browser'], ROOT, env);
    const { page } = await openPage(browser, await app.answers());
    (await ask(page, stage)).done();
    await page.context().close();
  });

  it('node-backend-with-tokens is started with a server, on one secret', async () => {
    const [port, rest, socket] = [await freePort(), await freePort(), await freePort()];
    const env = {
      PORT: String(port),
      LLM_CAST_URL: `http://localhost:${rest}`,
      LLM_CAST_SOCKET_URL: `http://localhost:${socket}`,
    };
    app = new App('npm', ['run', 'example', '--', 'node-backend-with-tokens'], ROOT, env);
    const url = await app.answers();
    const { page, complaints } = await openPage(browser, url);
    await page.getByRole('textbox', { name: 'Question' }).fill('What is a generation?');
    await page.getByRole('button', { name: 'Ask', exact: true }).click();
    await page.locator('pre').getByText('generation').waitFor();
    expect(complaints).toEqual([]);
    const anonymous = await fetch(`${env.LLM_CAST_URL}/llm/me`);
    expect(anonymous.status).toBe(401);
    await page.context().close();
  });

  it('that there is not is answered with those that there are', async () => {
    app = new App('npm', ['run', 'example', '--', 'cobol'], ROOT);
    expect(await app.ended()).toBe(2);
    expect(app.output).toContain(
      'ai-sdk | browser | next | node | node-backend-with-tokens | nuxt | openai-sdk | python | react | two-nodes | vue',
    );
  });
});
