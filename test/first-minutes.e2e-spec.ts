import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startApp } from './support/app.js';
import { freePort } from './support/free-port.js';
import { Program } from './support/program.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));

describe('npm run build', () => {
  it('says nothing and does nothing where nothing has changed', async () => {
    const { stdout, stderr } = await run(process.execPath, ['scripts/build.mjs'], { cwd: ROOT });
    expect(stdout + stderr).toBe('');
  });
});

describe('npm run', () => {
  it.each([
    ['demo', ['--lna'], /^Usage: npm run demo \[-- --lan\]\n/, 2],
    ['start', ['--port', '1'], /npx llm-cast/, 2],
    ['fake-ollama', ['--help'], /^A demo upstream for llm-cast/, 0],
  ])('%s says nothing of its own before the program does', async (script, args, said, code) => {
    const program = ['run', '--silent', script, '--', ...args];
    const result = await run('npm', program, { cwd: ROOT }).catch((error: unknown) => error);
    const {
      stdout,
      stderr,
      code: exit = 0,
    } = result as {
      stdout: string;
      stderr: string;
      code?: number;
    };
    expect(stdout + stderr).toMatch(said);
    expect(exit).toBe(code);
  });
});

describe('npm run demo', () => {
  let demo: Program;
  let port: number;
  beforeAll(async () => {
    port = await freePort();
    const env = { PORT: port, SOCKET_PORT: await freePort() };
    demo = Program.run('demo.js', [], { env });
    await demo.said(/Ctrl-C stops it/);
  });
  afterAll(() => demo?.kill());

  it('prints a command that asks it, on whatever ports it is', async () => {
    const [, env = ''] = await demo.said(/^ {2}((?:\w+=\S+ )+)npm run ask/m);
    const { stdout } = await run(process.execPath, ['scripts/ask.mjs', 'what', 'is', 'it?'], {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'],
        ...Object.fromEntries(
          env
            .trim()
            .split(' ')
            .map((one) => one.split('=')),
        ),
      },
    });
    expect(stdout.length).toBeGreaterThan(20);
  });

  it('is for this machine only, and says how it is opened to a phone', async () => {
    await expect(fetch(`http://127.0.0.2:${port}/health/live`)).rejects.toThrow();
    expect(demo.stdout).toMatch(/On your phone: npm run demo -- --lan$/m);
  });
});

describe('llm-cast demo', () => {
  let demo: Program;
  afterEach(() => demo?.kill());

  it('says how it is asked and opened to a phone, as it was started itself', async () => {
    demo = Program.run('cli.js', ['demo'], { env: { PORT: 0, SOCKET_PORT: 0 } });
    await demo.said(/ llm-cast chat "[^]*On your phone: llm-cast demo --lan$/m);
  });

  it('with --lan serves the page at every address, prints one with its QR code, and says what that opens', async () => {
    const [port, socketPort] = [await freePort(), await freePort()];
    const flags = ['demo', '--lan', '--port', String(port)];
    demo = Program.run('cli.js', flags, { env: { SOCKET_PORT: socketPort } });
    await demo.said(/Ctrl-C stops it/);
    const other = await fetch(`http://127.0.0.2:${port}/`);
    expect(other.status).toBe(200);
    const handshake = `http://127.0.0.2:${socketPort}/socket.io/?EIO=4&transport=polling`;
    expect((await fetch(handshake)).status).toBe(200);
    expect(demo.stdout).toMatch(/On your phone, in the same network: http:\/\/\d|is in no network/);
    if (demo.stdout.includes('On your phone')) {
      expect(demo.stdout).toContain('█');
      expect(demo.stdout).toMatch(/Everybody in this network can use the demo now/);
    }
  });
});

describe('npm run ask', () => {
  it('ends quietly when nobody reads its output any more, as `| head -1`', async () => {
    const upstream = await ScriptedUpstream.start();
    const app = await startApp({ OLLAMA_BASE_URL: upstream.url });
    const child = spawn(process.execPath, ['scripts/ask.mjs', 'why?'], {
      cwd: ROOT,
      env: { LLM_CAST_URL: app.url, LLM_CAST_SOCKET_URL: app.socketUrl },
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    try {
      const exited = once(child, 'close');
      const request = (await upstream.nextCall()).text('one\n');
      await once(child.stdout, 'data');
      child.stdout.destroy();
      request.text('two\n');
      expect(await exited).toEqual([141, null]);
      expect(said).toBe('');
    } finally {
      child.kill('SIGKILL');
      await app.close();
      await upstream.close();
    }
  });
});

describe('npm start', () => {
  let server: Program;
  let upstream: ScriptedUpstream | undefined;
  afterEach(async () => {
    await server?.kill();
    await upstream?.close();
    upstream = undefined;
  });

  it('says where the page is, why an upstream does not answer, and what to do', async () => {
    const locked = createServer((_request, response) => response.writeHead(401).end());
    await once(locked.listen(0, '127.0.0.1'), 'listening');
    const { port } = locked.address() as AddressInfo;
    server = Program.server({
      OLLAMA_BASE_URL: 'http://127.0.0.1:1',
      OPENAI_MODEL: 'm',
      OPENAI_BASE_URL: `http://127.0.0.1:${port},https://127.0.0.1:${port}`,
    });
    try {
      await server.said(/chat page on http:\/\/localhost:\d+/);
      await server.said(
        /ollama does not answer \(ECONNREFUSED\): start it \(ollama serve\), or set OLLAMA_BASE_URL/,
      );
      await server.said(/openai does not accept llm-cast's key: set OPENAI_API_KEY/);
      // Plain HTTP where TLS is looked for.
      await server.said(/openai-2 does not answer \((EPROTO|ERR_SSL_\w+)\): start it, or set/);
    } finally {
      locked.close();
    }
  });

  it('says which models there are, and what to do where the default one is not', async () => {
    upstream = await ScriptedUpstream.start();
    upstream.models = ['qwen3:8b'];
    server = Program.server({ OLLAMA_BASE_URL: upstream.url });
    await server.said(/ollama answers, with qwen3:8b/);
    await server.said(/the default model llama3\.2 is not there: ollama pull llama3\.2, or set/);
  });

  it('says no more than that where all is well, and tells when the upstream has gone', async () => {
    upstream = await ScriptedUpstream.start();
    server = Program.server({ OLLAMA_BASE_URL: upstream.url });
    await server.said(/ollama answers, with llama3\.2/);
    expect(server.stdout).not.toContain('is not there');
    await upstream.close();
    upstream = undefined;
    await server.said(/ollama does not answer/);
  });
});
