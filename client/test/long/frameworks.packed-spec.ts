import { execFile } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { freePort } from '../../../test/support/free-port.js';
import { Stage } from '../../../test/support/stage.js';
import { describeInBrowser, launchBrowser } from '../../../web/test/support/browser.js';
import { App, ask, openPage, ROOT, sees } from '../support/example.js';

const run = promisify(execFile);
const INSTALL = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--no-package-lock'];
/** What bundles an app of React Native: Metro, as React Native sets it up. */
const REACT_NATIVE = [
  'react@19.1.1',
  '@react-native/metro-config@0.82.1',
  '@react-native/babel-preset@0.82.1',
  'metro@0.83.8',
];
const TYPESCRIPT = [
  'typescript@6.0.3',
  'react@19.3.1',
  'vue@3.5.45',
  '@types/react@19.3.0',
  '@types/node@20.19.43',
];
/** What a registry and a framework's own compiler take on a busy machine. */
const LONG_MS = 900_000;

/** Each app: its name, what is written into its folder, and the packages it needs besides the client. */
const APPS: [string, (cwd: string) => void, string[]][] = [
  ['next', (cwd) => copyExample('next', cwd), []],
  ['nuxt', (cwd) => copyExample('nuxt', cwd), []],
  ['react-native', writeReactNative, REACT_NATIVE],
  [
    'empty',
    (cwd) => writeFileSync(join(cwd, 'package.json'), '{ "private": true, "type": "module" }'),
    TYPESCRIPT,
  ],
];

function copyExample(name: string, cwd: string): void {
  const source = join(ROOT, 'examples', name);
  cpSync(source, cwd, {
    recursive: true,
    filter: (path) => !/node_modules|\.next|\.nuxt|\.output/.test(path.slice(source.length)),
  });
}

/** An app of React Native around the README's snippet, and a component on `useConversation`. */
function writeReactNative(cwd: string): void {
  writeFileSync(join(cwd, 'package.json'), '{ "private": true, "main": "index.js" }');
  const [snippet] = /^import \{ AppState \} from 'react-native';\n.*?(?=^```)/ms.exec(
    readFileSync(join(ROOT, 'client/README.md'), 'utf8'),
  )!;
  writeFileSync(
    join(cwd, 'index.js'),
    `${snippet}
     import { createElement } from 'react';
     import { AppRegistry, Text } from 'react-native';
     import { useConversation } from 'llm-cast-client/react';
     const App = () => {
       const { messages } = useConversation(cast, { id: 'main' });
       return messages.map(({ id, content }) => createElement(Text, { key: id }, content));
     };
     AppRegistry.registerComponent('app', () => App);`,
  );
  // React Native itself stays outside: bundling it takes ten times as long, and says nothing of the client.
  writeFileSync(
    join(cwd, 'metro.config.js'),
    `const { getDefaultConfig, mergeConfig } = require('@react-native/metro-config');
     module.exports = mergeConfig(getDefaultConfig(__dirname), {
       resolver: {
         resolveRequest: (context, name, platform) =>
           name === 'react-native'
             ? { type: 'empty' }
             : context.resolveRequest(context, name, platform),
       },
       serializer: { getModulesRunBeforeMainModule: () => [] },
     });`,
  );
  writeFileSync(
    join(cwd, 'babel.config.js'),
    "module.exports = { presets: ['module:@react-native/babel-preset'] };",
  );
}

/** @returns the folder, once the packages are there */
async function installed(cwd: string, packages: string[]): Promise<string> {
  await run('npm', [...INSTALL, '--no-save', ...packages], { cwd });
  return cwd;
}

// Built from the packed tarball, away from this clone: as an app has it. Needs the npm registry.
describeInBrowser('the packed client, installed in an app', () => {
  let browser: Browser;
  let stage: Stage;
  let folder: string;
  let app: App | undefined;
  /** The folder of each app, once all that it needs is installed there. */
  const apps = new Map<string, Promise<string>>();

  beforeAll(async () => {
    browser = await launchBrowser();
    stage = await Stage.open();
    folder = mkdtempSync(join(tmpdir(), 'llm-cast-apps-'));
    await run('npm', ['pack', '--pack-destination', folder], { cwd: join(ROOT, 'client') });
    const tarball = join(
      folder,
      readdirSync(folder).find((name) => name.endsWith('.tgz'))!,
    );
    // All at once, as most of it is waiting for the registry.
    for (const [name, write, packages] of APPS) {
      const cwd = join(folder, name);
      mkdirSync(cwd);
      write(cwd);
      apps.set(name, installed(cwd, [tarball, ...packages]));
    }
    // What fails is told by the test that needs it.
    await Promise.allSettled(apps.values());
  }, LONG_MS);
  afterEach(async () => {
    await app?.close();
    app = undefined;
  });
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** An example, built. */
  const build = async (name: string): Promise<string> => {
    const cwd = await apps.get(name)!;
    const env = {
      ...process.env,
      LLM_CAST_SOCKET_URL: stage.app.socketUrl,
      NEXT_TELEMETRY_DISABLED: '1',
      NUXT_TELEMETRY_DISABLED: '1',
    };
    // It ends: rendering on the server opens no connection that would keep it alive.
    await run('npm', ['run', 'build'], { cwd, env, maxBuffer: 64 * 1024 * 1024, timeout: LONG_MS });
    return cwd;
  };

  it.each(['next', 'nuxt'])(
    '%s renders it on the server, and it lives in the browser',
    async (name) => {
      const cwd = await build(name);
      const port = String(await freePort());
      const socket = stage.app.socketUrl;
      const env = { PORT: port, NITRO_PORT: port, NUXT_PUBLIC_LLM_CAST: socket, HOST: 'localhost' };
      app = new App('npm', ['run', 'serve'], cwd, env);
      const url = await app.answers();
      const html = await (await fetch(url)).text();
      expect(html).toMatch(/<input[^>]*aria-label="Question"/);

      const { page, complaints } = await openPage(browser, url);
      const call = await ask(page, stage);
      await page.reload();
      await sees(page, 'Because');
      call.text(' of Rayleigh.').done();
      await sees(page, 'Because of Rayleigh.');
      // Among them would be that the page of the server and that of the browser differ.
      expect(complaints).toEqual([]);
      await page.context().close();
    },
    LONG_MS,
  );

  it(
    "is bundled by React Native's Metro, with the README's lines for waking",
    async () => {
      const cwd = await apps.get('react-native')!;
      const metro = ['node_modules/metro/src/cli.js', 'build', 'index.js', '--dev', 'false'];
      const target = ['--platform', 'android', '--out', 'bundle.js'];
      await run(process.execPath, [...metro, ...target, '--config', 'metro.config.js'], { cwd });
      const bundle = readFileSync(join(cwd, 'bundle.js'), 'utf8');
      // Its own code and socket.io-client for browsers, and not that for Node.js.
      expect(bundle).toContain('llm.example.com');
      expect(bundle).toContain('EIO');
      expect(bundle).not.toContain('xmlhttprequest-ssl');
    },
    LONG_MS,
  );

  it(
    'has types for a strict project of either kind of resolution, and runs without one',
    async () => {
      const cwd = await apps.get('empty')!;
      const example = /```ts\n(.*?)```/s.exec(
        readFileSync(join(ROOT, 'client/README.md'), 'utf8'),
      )!;
      writeFileSync(join(cwd, 'app.ts'), example[1]!);
      writeFileSync(
        join(cwd, 'hooks.ts'),
        `export { useConversation as inReact } from 'llm-cast-client/react';
         export { useConversation as inVue } from 'llm-cast-client/vue';
         export { browserStorage } from 'llm-cast-client/conversation';`,
      );
      for (const [module, resolution] of [
        ['nodenext', 'nodenext'],
        ['esnext', 'bundler'],
      ]) {
        const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022'];
        options.push('--module', module!, '--moduleResolution', resolution!, '--types', 'node');
        await run(
          process.execPath,
          ['node_modules/typescript/bin/tsc', ...options, 'app.ts', 'hooks.ts'],
          { cwd },
        );
      }
      writeFileSync(
        join(cwd, 'run.mjs'),
        `import { connect } from 'llm-cast-client';
         const cast = connect(${JSON.stringify(stage.app.socketUrl)});
         for await (const text of cast.generate({ prompt: 'Why?' })) process.stdout.write(text);
         cast.close();`,
      );
      const running = run(process.execPath, ['run.mjs'], { cwd });
      (await stage.upstream.nextCall()).text('Because').done();
      expect((await running).stdout).toBe('Because');
    },
    LONG_MS,
  );
});
