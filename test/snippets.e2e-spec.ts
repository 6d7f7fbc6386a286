import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { load } from 'js-yaml';
import { startApp } from './support/app.js';
import { bearer } from './support/credentials.js';
import { programInPath } from './support/needs.js';
import { call } from './support/rest.js';
import type { UpstreamCall } from './support/scripted-upstream.js';
import { Stage } from './support/stage.js';
import { read, ROOT, section } from './support/tables.js';

/* Every code block of the documents is run, compiled or read by a test: those of this list elsewhere. */

const run = promisify(execFile);

/** `file language` of what other tests take from the documents. */
const ELSEWHERE = [
  'README.md js', // test/docs.e2e-spec.ts
  'README.md html', // here
  'client/README.md html', // client/test/examples.e2e-spec.ts, as the next three
  'client/README.md ts', // and client/test/snippets.e2e-spec.ts
  'client/README.md tsx',
  'client/README.md vue',
  'docs/access.md js', // test/access-recipes.e2e-spec.ts; the client's options: here
  'docs/access.md python',
  'docs/access.md php',
  'docs/access.md ruby',
  'docs/doors.md js', // test/doors/snippets.e2e-spec.ts, as the next two; what needs a browser: here
  'docs/doors.md python',
  'docs/doors.md yaml',
  'docs/operations.md yaml', // test/deploy.e2e-spec.ts
  'docs/protocol.md python', // test/one-request.e2e-spec.ts
  'docs/protocol.md go', // test/strangers/snippets.e2e-spec.ts
  'docs/protocol.md kotlin',
];
/** Of these nothing can be run here: what is not code, and Swift, for which there is no compiler. */
const READ_ONLY = new Set(['', 'mermaid', 'http', 'swift']);

interface Block {
  file: string;
  language: string;
  code: string;
}

const FILES = ['.', 'docs', 'client', 'examples', 'examples/node-backend-with-tokens'].flatMap(
  (folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
);
const BLOCKS = FILES.flatMap((file): Block[] =>
  [...read(file).matchAll(/^ *```(\w*)\n(.*?)^ *```$/gms)].map(([, language = '', code = '']) => ({
    file,
    language,
    code,
  })),
);

const blocks = (file: string, language: string): string[] =>
  BLOCKS.filter((one) => one.file === file && one.language === language).map(({ code }) => code);

/** The one block of the file that has these words. */
function block(file: string, language: string, words: string): string {
  const found = blocks(file, language).filter((code) => code.includes(words));
  if (found.length !== 1) throw new Error(`${file} has ${found.length} ${language} with ${words}`);
  return found[0]!;
}

describe('the code in the documents', () => {
  let stage: Stage;
  let folder: string;

  beforeAll(async () => {
    stage = await Stage.open({ MAX_CONCURRENT: 8 });
    folder = mkdtempSync(join(tmpdir(), 'llm-cast-documents-'));
  });
  afterAll(async () => {
    await stage?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** With the addresses of this test's server. */
  const here = (code: string): string =>
    code
      .replace(/(http:\/\/)?localhost:3000/g, stage.app.url)
      .replaceAll('http://localhost:4321', stage.app.socketUrl);

  const node = (code: string): Promise<{ stdout: string }> =>
    run(process.execPath, ['--input-type=module', '--eval', here(code)], { cwd: ROOT });

  /** Lets the program have its answer, and gives what it prints. */
  const answered = async (running: Promise<{ stdout: string }>): Promise<string> => {
    (await nextCall(running)).text('Because').text(' of Rayleigh.').done();
    return (await running).stdout;
  };

  const nextCall = (running: Promise<unknown>): Promise<UpstreamCall> =>
    Promise.race([
      stage.upstream.nextCall(),
      // Fails with what the program says, when it has asked for nothing.
      running.then(() => Promise.reject(new Error('it has ended'))),
    ]);

  it('is in a language that some test takes', () => {
    const tested = new Set([
      ...ELSEWHERE,
      'docs/doors.md jsx',
      ...['sh', 'js', 'json', 'jsonc'].map((language) => `docs/protocol.md ${language}`),
      'docs/migration.md diff',
      'docs/monitoring.md yaml',
      'docs/operations.md ini',
    ]);
    const untested = BLOCKS.filter(
      ({ file, language }) =>
        !READ_ONLY.has(language) &&
        !['sh', 'nginx'].includes(language) &&
        !tested.has(`${file} ${language}`),
    );
    expect(untested.map(({ file, language }) => `${file} ${language}`)).toEqual([]);
  });

  it('for the shell is well-formed, and knows the commands and flags of llm-cast', () => {
    const help = (...command: string[]): string =>
      execFileSync(process.execPath, [join(ROOT, 'dist/cli.js'), ...command, '--help'], {
        encoding: 'utf8',
      });
    const server = help();
    const commands = new Set(
      [...server.matchAll(/^ {2}llm-cast ([a-z-]+)/gm)].map(([, one]) => one!),
    );
    const texts = new Map([...commands].map((name) => [name, help(name)]));
    const unknown: string[] = [];
    for (const { file, language, code } of BLOCKS) {
      if (language !== 'sh') continue;
      execFileSync('sh', ['-n', '-c', code]);
      for (const line of code.split('\n')) {
        const [, words = ''] = /^(?:npx \.|llm-cast)(?: (.*?))?(?: +#.*| &.*)?$/.exec(line) ?? [];
        const [name = ''] = words.split(' ');
        const text = texts.get(name) ?? server;
        if (/^[a-z]/.test(name) && !texts.has(name)) unknown.push(`${file}: ${name}`);
        for (const [flag] of words.matchAll(/(?<= |^)--[a-z-]+/g)) {
          if (!text.includes(flag)) unknown.push(`${file}: ${name} ${flag}`);
        }
      }
    }
    expect(unknown).toEqual([]);
  });

  it('of the README for an app shows an answer as it comes', async () => {
    const [, script = ''] =
      /<script type="module">(.*)<\/script>/s.exec(section('README.md', 'in-your-app')) ?? [];
    const page = `globalThis.document = {
      querySelector: () => ({ append: (text) => process.stdout.write(text) }),
    };`;
    // Node.js imports nothing over HTTP; that the server has the file, client/test shows.
    const code = script.replace('http://localhost:4321/client.js', 'llm-cast-client');
    expect(await answered(node(`${page}\n${code}\ncast.close();`))).toBe('Because of Rayleigh.');
  });

  it('of docs/access.md makes a key and tokens that are taken', async () => {
    const [start, tokens] = blocks('docs/access.md', 'sh') as [string, string];
    const command = `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'dist/cli.js')}' "$@"\n`;
    writeFileSync(join(folder, 'llm-cast'), command, { mode: 0o755 });
    const PATH = `${folder}:${process.env['PATH']}`;
    // All but the last line, which is the server.
    const settings = start.trim().split('\n').slice(0, -1).join('\n');
    const { stdout: said } = await run(
      'sh',
      [
        '-c',
        `${settings}
printf '%s\\n' "$JWT_SECRET"`,
      ],
      {
        cwd: folder,
        env: { PATH },
      },
    );
    const key = /lck_shop_\S+/.exec(said)![0];
    const secret = said.trim().split('\n').at(-1)!;
    const app = await startApp({
      API_KEYS_FILE: join(folder, 'keys.jsonl'),
      JWT_SECRET: secret,
      OLLAMA_BASE_URL: stage.upstream.url,
    });
    try {
      const env = { PATH, KEY: key, JWT_SECRET: secret };
      const code = tokens.replaceAll('http://localhost:3000', app.url);
      const { stdout } = await run('sh', ['-c', code], { cwd: folder, env });
      const made = stdout.match(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g) ?? [];
      expect(made).toHaveLength(2);
      for (const token of made) {
        const { body } = await call('GET', `${app.url}/llm/me`, undefined, bearer(token));
        expect(body).toMatchObject({ kind: 'user', sub: 'ada' });
      }
    } finally {
      await app.close();
    }
  });

  it('of docs/protocol.md reads an answer with curl', async () => {
    const [start = '', events = ''] = block('docs/protocol.md', 'sh', 'curl -N').split(
      /(?=curl -N)/,
    );
    const { stdout } = await run('sh', ['-c', here(start)]);
    const { generationId } = JSON.parse(stdout) as { generationId: string };
    (await stage.upstream.nextCall()).text('Because').done();
    const read = await run('sh', ['-c', here(events).replace(/k3J\w+/, generationId)]);
    expect(read.stdout).toMatch(/"response":"Because"[^]*"state":"completed"/);
  });

  it('of docs/protocol.md applies records each once, over cuts', async () => {
    const code = block('docs/protocol.md', 'js', 'from !== applied + 1');
    const running = node(`
      import { io } from 'socket.io-client';
      const socket = io('http://localhost:4321/events');
      ${code}
      socket.once('connect', () => socket.emit('generate', { prompt: 'Why?' }, () => {}));
      let seen = 0;
      socket.on('streamData', ({ generationId, state }) => {
        if (++seen === 1) socket.io.engine.close();
        if (state === undefined) return;
        console.log(text.get(generationId));
        socket.close();
      });`);
    expect(await answered(running)).toBe('Because of Rayleigh.\n');
  });

  it('of docs/migration.md goes on behind the last record after a cut', async () => {
    const [, diff = ''] = blocks('docs/migration.md', 'diff');
    const after = diff
      .split('\n')
      .filter((line) => !line.startsWith('-'))
      .map((line) => line.slice(1))
      .join('\n');
    const running = node(`
      import { io } from 'socket.io-client';
      const prompt = 'Why?';
      let text = '';
      let isCut = false;
      const show = (piece = '') => {
        text += piece;
        if (!isCut) socket.io.engine.close();
        isCut = true;
      };
      const done = () => { console.log(text); socket.close(); };
      const failed = (record) => { console.log(record); socket.close(); };
      ${after}`);
    expect(await answered(running)).toBe('Because of Rayleigh.\n');
  });

  it('that needs a browser or a framework around it compiles', async () => {
    const sources = [
      [block('docs/access.md', 'js', 'token: async () =>'), 'js', ''],
      [
        block('docs/doors.md', 'js', 'openai.responses.retrieve'),
        'js',
        `import OpenAI from 'openai';
         const openai = new OpenAI();
         const [model, input, id] = ['llama3.2', 'Why?', 'resp_1'];`,
      ],
      [block('docs/doors.md', 'jsx', '@ai-sdk/react'), 'jsx', ''],
      [
        block('docs/doors.md', 'js', 'prepareReconnectToStreamRequest'),
        'js',
        `import { useChat } from '@ai-sdk/react';
         import { WorkflowChatTransport } from '@ai-sdk/workflow/client';
         const api = '/ai/chat';`,
      ],
    ];
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    const files = sources.map(([code, extension, around], at) => {
      writeFileSync(join(folder, `${at}.${extension}`), `${around}\n${code}\nexport {};\n`);
      return join(folder, `${at}.${extension}`);
    });
    const options = {
      allowJs: true,
      checkJs: true,
      strict: false,
      noEmit: true,
      skipLibCheck: true,
      module: 'esnext',
      moduleResolution: 'bundler',
      target: 'es2022',
      jsx: 'react-jsx',
      lib: ['ES2022', 'DOM'],
      types: [],
    };
    const project = join(folder, 'tsconfig.json');
    writeFileSync(project, JSON.stringify({ compilerOptions: options, files }));
    const compiler = join(ROOT, 'node_modules/typescript-7/bin/tsc');
    const problems = await run(process.execPath, [compiler, '-p', project]).then(
      () => '',
      ({ stdout }: { stdout: string }) => stdout,
    );
    expect(problems).toBe('');
  });

  it('that is JSON or YAML is well-formed', () => {
    for (const { language, code } of BLOCKS) {
      if (language === 'json') JSON.parse(code);
      if (language === 'yaml') expect(load(code)).toBeInstanceOf(Object);
      if (language !== 'jsonc') continue;
      for (const line of code.trim().split('\n')) {
        if (!line.startsWith('//')) JSON.parse(line);
      }
    }
  });

  it('of the unit for systemd starts what npm run start:prod starts, with time to drain', async () => {
    const [unit = ''] = blocks('docs/operations.md', 'ini');
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    expect(unit).toContain(`ExecStart=/usr/bin/${scripts['start:prod']}\n`);
    const [, seconds] = /TimeoutStopSec=(\d+)/.exec(unit)!;
    const { settings } = await import('../src/config/settings.js');
    expect(Number(seconds) * 1000).toBeGreaterThan(settings.parse({}).DRAIN_MS);
  });

  const nginx = programInPath('nginx');
  const withNginx = nginx === undefined ? it.skip : it;
  withNginx('for nginx is taken by nginx -t', async () => {
    const certificate = ['fullchain.pem', 'privkey.pem'].map((name) => join(folder, name)) as [
      string,
      string,
    ];
    const kind = 'req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost'.split(' ');
    await run('openssl', [...kind, '-out', certificate[0], '-keyout', certificate[1]]);
    const snippets = BLOCKS.filter(({ language }) => language === 'nginx');
    expect(snippets.length).toBeGreaterThan(4);
    for (const { file, code } of snippets) {
      const text = code.replaceAll('/etc/letsencrypt/live/llm.example.com', folder);
      const config = `pid ${folder}/nginx.pid; error_log ${folder}/error.log; events {}
        http {
          access_log off;
          upstream llm_cast_rest { server 127.0.0.1:3000; }
          upstream llm_cast_socket { server 127.0.0.1:4321; }
          server { listen 127.0.0.1:8080; ${text} }
        }`;
      writeFileSync(join(folder, 'nginx.conf'), config);
      const said = await run(nginx!, ['-t', '-p', folder, '-c', join(folder, 'nginx.conf')]).then(
        () => '',
        ({ stderr }: { stderr: string }) => `${file}: ${stderr}`,
      );
      expect(said).toBe('');
    }
  });
});
