import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { settings } from '../src/config/settings.js';
import type { RunningServer } from '../src/server.js';
import { NOBODY, startApp } from './support/app.js';
import { FaultProxy } from './support/fault-proxy.js';
import { type Around, Program } from './support/program.js';
import { call } from './support/rest.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { until, within } from './support/until.js';

/** Where a conversation waits for the next question. */
// eslint-disable-next-line no-control-regex
const PROMPT = /> \x1b\[3G$/;
/** What a failed test may have left running. */
const programs: Program[] = [];
afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.kill()));
});

function run(args: string[], around: Around = {}): Program {
  const program = Program.run('cli.js', args, around);
  programs.push(program);
  return program;
}

function onTerminal(args: string[], env: Record<string, string> = {}): Program {
  const program = Program.onTerminal('cli.js', args, env);
  programs.push(program);
  return program;
}

async function finished(args: string[], around?: Around) {
  const command = run(args, around);
  command.child.stdin?.end();
  const code = await command.exited;
  return { code, stdout: command.stdout, stderr: command.stderr };
}

/** Settings one of which is misspelt, and one has no effect. */
const ODD = { MAX_QEUE: 3, OPENAI_API_KEY: 'sk-hush' };
function expectNamed(stderr: string): void {
  expect(stderr).toContain('is MAX_QUEUE meant?');
  expect(stderr).toContain('OPENAI_API_KEY has no effect');
}

describe('llm-cast', () => {
  it('lists every setting with its default and its description', async () => {
    const { code, stdout } = await finished(['--help']);
    expect(code).toBe(0);
    for (const [name, schema] of Object.entries(settings.shape)) {
      const flag = name.toLowerCase().replaceAll('_', '-');
      const at = stdout.indexOf(`  --${flag}`);
      const [head, description] = stdout.slice(at).split('\n');
      expect(head).toMatch(/ {2}--[\w-]+( <value>|\[=false\]) {2}\((default \S.*|not set)\)$/);
      expect(description?.trim()).toBe(schema.description);
    }
    expect(stdout).toContain('--port <value>  (default 3000)');
    // In groups, each setting once.
    expect(stdout.match(/^ {2}--[\w-]+.*\((default|not set)/gm)).toHaveLength(
      Object.keys(settings.shape).length,
    );
    expect(stdout).toMatch(/\nModel servers and models:\n {2}--ollama-base-url/);
    expect(stdout).toContain('--allow-pull[=false]  (default false)');
  });

  it('prints its settings, flags over environment over .env, without secrets, and names odd ones', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'llm-cast-'));
    await writeFile(join(cwd, '.env'), 'PORT=1\nHOST=::1\nMAX_QUEUE=3\n');
    const args = ['--port', '5', '--allow-pull', '--ollama-base-url', 'http://me:hush@box'];
    const env = {
      PORT: '2',
      MAX_QUEUE: '4',
      ...ODD,
      OLLAMA_HEADERS: '{"X-Api-Key": "hush", "X-Title": "mine"}',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://me:much,hush@box:4318',
    };
    const { code, stdout, stderr } = await finished([...args, '--print-config'], { env, cwd });
    expect(code).toBe(0);
    expectNamed(stderr);
    const lines = stdout.split('\n');
    expect(lines).toEqual(expect.arrayContaining(['PORT=5', 'MAX_QUEUE=4', 'HOST=::1']));
    expect(lines).toEqual(expect.arrayContaining(['ALLOW_PULL=true', 'OPENAI_API_KEY=***']));
    expect(lines).toContain('OLLAMA_BASE_URL=http://***@box');
    expect(lines).toContain('OLLAMA_HEADERS={"X-Api-Key":"***","X-Title":"***"}');
    expect(lines).toContain('OTEL_EXPORTER_OTLP_ENDPOINT=http://***@box:4318');
    expect(stdout).not.toContain('hush');
  });

  it('takes an empty variable for none: .env counts, except where empty says something', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'llm-cast-'));
    const file =
      'PORT=8080\nOLLAMA_BASE_URL=http://box\nOPENAI_BASE_URL=http://a\nOPENAI_MODEL=m\n';
    await writeFile(join(cwd, '.env'), `\ufeff${file}`);
    const env = { PORT: '', OLLAMA_BASE_URL: '', OPENAI_MODEL: ' ' };
    const { stdout } = await finished(['--print-config'], { env, cwd });
    const lines = stdout.split('\n');
    expect(lines).toEqual(
      expect.arrayContaining(['PORT=8080', 'OLLAMA_BASE_URL=', 'OPENAI_MODEL=m']),
    );
  });

  it('takes what Kubernetes tells of a Service for no setting: .env counts', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'llm-cast-'));
    await writeFile(join(cwd, '.env'), 'METRICS_PORT=9464\n');
    const env = { METRICS_PORT: 'tcp://10.96.0.7:9090', SOCKET_PORT: 'tcp://10.96.0.8:4321' };
    const { stdout, stderr } = await finished(['--print-config'], { env, cwd });
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining(['METRICS_PORT=9464', 'SOCKET_PORT=4321']),
    );
    expect(stderr).toMatch(/^llm-cast: SOCKET_PORT is what Kubernetes tells .*\n$/);
  });

  it('warns of a comment in the place of a value', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'llm-cast-'));
    await writeFile(join(cwd, '.env'), 'JWT_SECRET=#k3JvX0d1Qm6c7Tq2Zr9s\n');
    const { code, stderr } = await finished(['--print-config'], { cwd });
    expect([code, stderr]).toEqual([
      0,
      'llm-cast: .env, line 1: JWT_SECRET is empty, as what follows is read as a comment. A value that begins with # needs quotes.\n',
    ]);
  });

  it('does not start with a .env that it cannot read, and says why', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'llm-cast-'));
    await writeFile(join(cwd, '.env'), Buffer.from('PORT=8080\n', 'utf16le'));
    expect(await finished([], { cwd })).toEqual({
      code: 1,
      stdout: '',
      stderr: 'llm-cast cannot start: .env must be text in UTF-8.\n',
    });
  });

  it('main.js alone has no flags, and says so', async () => {
    const server = Program.run('main.js', ['--port', '0']);
    programs.push(server);
    expect(await server.exited).toBe(2);
    expect(server.stderr).toMatch(
      /^This program takes no arguments, and was given "--port": .*\n$/,
    );
  });

  it('prints its settings so that they read back as a .env file', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'llm-cast-'));
    const args = ['--ollama-options', '{"num_ctx": 8192}', '--max-concurrent', '2'];
    const { stdout } = await finished([...args, '--trust-proxy', 'loopback,::1', '--print-config']);
    await writeFile(join(cwd, '.env'), stdout);
    expect(stdout).toContain('OLLAMA_OPTIONS={"num_ctx":8192}\n');
    expect((await finished(['--print-config'], { cwd })).stdout).toBe(stdout);
  });

  it.each([
    [['--nope'], "llm-cast: Unknown option '--nope'. See llm-cast --help.\n"],
    [['nope'], 'llm-cast: "nope" is not a command. See llm-cast --help.\n'],
    [['--port'], "llm-cast: Option '--port <value>' argument missing. See llm-cast --help.\n"],
    [['demo', '--nope'], "llm-cast: Unknown option '--nope'. See llm-cast --help.\n"],
    [['chat'], 'llm-cast: There is no prompt. See llm-cast chat --help.\n'],
    [['chat', '-'], 'llm-cast: There is no prompt. See llm-cast chat --help.\n'],
    [
      ['chat', 'hi', '--url', 'box:1'],
      'llm-cast: --url must be an http or https URL. See llm-cast chat --help.\n',
    ],
    [
      ['models', '--url', 'http://me:hush@box'],
      'llm-cast: --url must be without a user and a password: they would not be sent. See llm-cast models --help.\n',
    ],
    [['models', 'x'], "llm-cast: Unexpected argument 'x'. See llm-cast models --help.\n"],
    [['pull'], 'llm-cast: Name one model, such as llama3.2. See llm-cast pull --help.\n'],
    [['fake-ollama', '--nope'], '--nope is not a switch; --help lists them all.\n'],
  ])('ends with 2 and one sentence for %j', async (args, stderr) => {
    expect(await finished(args)).toEqual({ code: 2, stdout: '', stderr });
  });

  it('starts the server with the settings of its flags, and names odd ones', async () => {
    const args = ['--port', '0', '--socket-port=0', '--ollama-base-url', NOBODY];
    const server = run(args, { env: { NO_COLOR: '1', PORT: '1', ...ODD } });
    const [, url] = await server.said(/REST on (http:\S+),/);
    expect((await call('GET', `${url}/health/live`)).status).toBe(200);
    server.child.kill('SIGTERM');
    expect(await server.exited).toBe(0);
    expectNamed(server.stderr);
  });

  it('has a demo that chat can ask, and that names odd settings', async () => {
    const demo = run(['demo', '--port', '0', '--socket-port', '0'], { env: ODD });
    const [, url] = await demo.said(/REST +(http:.*)\/llm\/generate/);
    const asked = await finished(['chat', '--url', url!, '--model', 'echo', 'à la', 'lettre']);
    expect(asked).toEqual({ code: 0, stdout: 'à la lettre', stderr: '' });
    demo.child.kill('SIGTERM');
    expect(await demo.exited).toBe(0);
    expectNamed(demo.stderr);
  });
});

describe('llm-cast with a running server', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let proxy: FaultProxy;
  let at: string[];

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    upstream.models = ['llama3.2', 'other:7b'];
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, ALLOW_PULL: 'true' });
    proxy = await FaultProxy.start(Number(new URL(app.url).port));
    at = ['--url', app.url];
  });
  // What a failed case has left open would hold the only slot.
  afterEach(() => until(() => upstream.open === 0));
  afterAll(async () => {
    await proxy?.close();
    await app?.close();
    await upstream?.close();
  });

  it('writes nothing but the answer into a pipe, byte by byte', async () => {
    const command = run(['chat', ...at, '--model', 'other:7b', '--system', 'Be brief.', 'why?']);
    const request = await upstream.nextCall();
    expect(request.body).toMatchObject({
      model: 'other:7b',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'why?' },
      ],
    });
    const message = { role: 'assistant', content: '', thinking: 'Hm.' };
    request.line({ model: 'other:7b', message, done: false });
    request.text('blué').text(' \x1b[31m😀\r\n\n').done();
    expect(await command.exited).toBe(0);
    expect(command).toMatchObject({ stdout: 'blué \x1b[31m😀\r\n\n', stderr: '' });
  });

  it('reads a prompt of - from stdin', async () => {
    const command = run(['chat', ...at, '-']);
    command.child.stdin?.end('a long\nprompt\n');
    const request = await upstream.nextCall();
    expect(request.body['messages']).toEqual([{ role: 'user', content: 'a long\nprompt\n' }]);
    request.done();
    expect(await command.exited).toBe(0);
  });

  it('ends at Ctrl-C while it reads a prompt of -, and asks nothing', async () => {
    const before = upstream.calls.length;
    const command = run(['chat', ...at, '-']);
    command.child.stdin?.write('a long\n');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    command.child.kill('SIGINT');
    expect(await within(5_000, command.exited)).toBe(130);
    expect(command.stderr).toBe('llm-cast: cancelled\n');
    expect(upstream.calls).toHaveLength(before);
  });

  it('ends with 1 when the answer broke off, after what there is of it', async () => {
    const command = run(['chat', ...at, 'why?']);
    (await upstream.nextCall()).text('Becau').end();
    expect(await command.exited).toBe(1);
    expect(command.stdout).toBe('Becau');
    expect(command.stderr).toMatch(/^llm-cast: .* \(upstream_truncated\)\n$/);
  });

  it('ends with 75 when the same may succeed later', async () => {
    const nobody = await finished(['chat', '--url', NOBODY, 'why?']);
    expect(nobody).toMatchObject({
      code: 75,
      stderr: `llm-cast: There is no llm-cast at ${NOBODY}; is it running?\n`,
    });
    const lonely = await startApp();
    const { code, stderr } = await finished(['chat', '--url', lonely.url, 'why?']);
    await lonely.close();
    expect(code).toBe(75);
    expect(stderr).toMatch(/ \(upstream_unreachable\)\n$/);
  });

  it('says which field the server refuses', async () => {
    const { code, stderr } = await finished(['chat', ...at, '--model', 'a\tb', 'why?']);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /model: a model name has no invisible characters, and begins with none\. \(invalid_request\)\n$/,
    );
  });

  it('cancels at Ctrl-C, says so and ends with 130', async () => {
    const command = run(['chat', ...at, 'why?']);
    const request = (await upstream.nextCall()).text('Because');
    await command.said(/Because/);
    command.child.kill('SIGINT');
    expect(await command.exited).toBe(130);
    expect(command).toMatchObject({ stdout: 'Because', stderr: 'llm-cast: cancelled\n' });
    await request.closed;
    expect(upstream.open).toBe(0);
  });

  it('quits at once at the second Ctrl-C, though the server does not answer the first', async () => {
    const command = run(['chat', '--url', proxy.url, 'why?']);
    const request = (await upstream.nextCall()).text('Because');
    await command.said(/Because/);
    proxy.stall();
    command.child.kill('SIGINT');
    await request.closed;
    expect(command.child.exitCode).toBeNull();
    command.child.kill('SIGINT');
    // It would give up by itself after 5 s.
    expect(await within(4_000, command.exited)).toBe(130);
    proxy.resume();
  });

  it('cancels quietly when nobody reads its output any more', async () => {
    const command = run(['chat', ...at, 'why?']);
    const request = (await upstream.nextCall()).text('one\n');
    await command.said(/one/);
    command.child.stdout?.destroy();
    request.text('two\n');
    expect(await command.exited).toBe(141);
    expect(command.stderr).toBe('');
    await request.closed;
  });

  it('ends quietly when its reader has left after the last word of a conversation', async () => {
    const command = run(['chat', ...at]);
    command.child.stdin?.end('why?\n');
    const request = (await upstream.nextCall()).text('one');
    await command.said(/one/);
    command.child.stdout?.destroy();
    request.done();
    expect(await command.exited).toBe(141);
    expect(command.stderr).toBe('');
  });

  it('ends at Ctrl-C though the reader of its output is stuck', async () => {
    const command = run(['chat', ...at, 'why?']);
    command.child.stdout?.pause();
    const request = (await upstream.nextCall()).text('x'.repeat(3_000_000)).text('!');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    command.child.kill('SIGINT');
    const exitCode = new Promise((resolve) => command.child.once('exit', resolve));
    expect(await exitCode).toBe(130);
    await request.closed;
    command.child.stdout?.resume();
    await command.exited;
    expect(command.stderr).toBe('llm-cast: cancelled\n');
  });

  it('reads on where it was when the connection breaks, losing and repeating nothing', async () => {
    const command = run(['chat', '--url', proxy.url, 'count']);
    const request = await upstream.nextCall();
    const numbers = Array.from({ length: 60 }, (_, number) => `${number} `);
    for (const [index, number] of numbers.entries()) {
      request.text(number);
      if (index % 20 === 10) {
        await command.said(new RegExp(`^0 .*\\b${index} $`));
        proxy.cut();
      }
    }
    request.done();
    expect(await command.exited).toBe(0);
    expect(command).toMatchObject({ stdout: numbers.join(''), stderr: '' });
  });

  it('shows a person the place in the line as it moves, then only the answer', async () => {
    const first = run(['chat', ...at, 'first']);
    const running = await upstream.nextCall();
    const second = onTerminal(['chat', ...at, 'second']);
    await second.said(/waiting in line, position 1/);
    const command = onTerminal(['chat', ...at, 'third']);
    await command.said(/waiting in line, position 2/);
    running.done();
    await first.exited;
    await command.said(/waiting in line, position 1/);
    (await upstream.nextCall()).done();
    await second.exited;
    const request = await upstream.nextCall();
    await command.said(/llama3\.2 is starting/);
    request.text('There.').done();
    expect(await command.exited).toBe(0);
    expect(command.stdout.split('\x1b[K').at(-1)).toBe('There.\r\n');
  });

  it.each([
    [{}, '\x1b[2mHm.\x1b[22m\r\n\r\nYes.\r\n'],
    [{ NO_COLOR: '1' }, 'Hm.\r\n\r\nYes.\r\n'],
  ])('dims the thinking on a terminal with %j', async (env, shown) => {
    const command = onTerminal(['chat', ...at, 'why?'], env);
    const request = await upstream.nextCall();
    const message = { role: 'assistant', content: '', thinking: 'Hm.' };
    request.line({ model: 'llama3.2', message, done: false }).text('Yes.').done();
    expect(await command.exited).toBe(0);
    expect(command.stdout.split('\x1b[K').at(-1)).toBe(shown);
  });

  it('lets no control characters of a model through to a terminal', async () => {
    const command = onTerminal(['chat', ...at, 'why?']);
    (await upstream.nextCall()).text('a\x1b]0;title\x07\tb\r\nc\x9b2J').done();
    expect(await command.exited).toBe(0);
    expect(command.stdout.split('\x1b[K').at(-1)).toBe('a]0;title\tb\r\nc2J\r\n');
  });

  it('takes Ctrl-C from the terminal while it waits', async () => {
    const command = onTerminal(['chat', ...at, 'why?']);
    const request = await upstream.nextCall();
    await command.said(/is starting/);
    command.child.stdin?.write('\x03');
    await command.said(/cancelling; Ctrl-C again quits at once/);
    expect(await command.exited).toBe(130);
    expect(command.stdout).toMatch(/\[Kllm-cast: cancelled\r\n$/);
    await request.closed;
  });

  it('passes on options, thinking and images', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'llm-cast-'));
    const png = join(folder, 'dot.png');
    await writeFile(png, Buffer.from('89504e470d0a1a0a', 'hex'));
    const options = ['--option', 'temperature=0', '--option', 'stop=["\\n"]', '--option=seed=7'];
    const command = run([
      'chat',
      ...at,
      ...options,
      '--think',
      '--image',
      png,
      'what',
      'is',
      'it?',
    ]);
    const request = await upstream.nextCall();
    expect(request.body).toMatchObject({
      options: { temperature: 0, stop: ['\n'], seed: 7 },
      think: true,
      messages: [{ role: 'user', content: 'what is it?', images: ['iVBORw0KGgo='] }],
    });
    request.text('A dot.').done();
    expect(await command.exited).toBe(0);
    expect(command.stdout).toBe('A dot.');
  });

  it.each([
    [['--option', 'temperature'], '--option must be name=value, not temperature.'],
    [['--image', '/nowhere/dot.png'], 'The image /nowhere/dot.png cannot be read (ENOENT).'],
  ])('ends with 2 for %j', async (args, sentence) => {
    const before = upstream.calls.length;
    const { code, stdout, stderr } = await finished(['chat', ...at, ...args, 'why?']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toBe(`llm-cast: ${sentence} See llm-cast chat --help.\n`);
    expect(upstream.calls).toHaveLength(before);
  });

  it('writes the records for programs, the terminal one too, however it ended', async () => {
    const command = run(['chat', ...at, '--json', '--think=high', 'why?']);
    const request = await upstream.nextCall();
    expect(request.body['think']).toBe('high');
    request.text('Be').text('cause').end();
    expect(await command.exited).toBe(1);
    const records = command.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const end = records.pop();
    expect(records.map(({ message }) => message.content).join('')).toBe('Because');
    expect(end).toMatchObject({ state: 'failed', code: 'upstream_truncated', seq: 3 });
    expect(command.stderr).toContain('(upstream_truncated)');
  });

  it('finds the server by LLM_CAST_URL, and --url wins over it', async () => {
    const env = { LLM_CAST_URL: app.url };
    const asked = run(['chat', 'why?'], { env });
    (await upstream.nextCall()).text('Because.').done();
    expect(await asked.exited).toBe(0);
    const { code, stderr } = await finished(['models', '--url', NOBODY], { env });
    expect([code, stderr]).toEqual([
      75,
      `llm-cast: There is no llm-cast at ${NOBODY}; is it running?\n`,
    ]);
  });

  it('has a conversation with questions from a pipe, one a line', async () => {
    const command = run(['chat', ...at, '--system', 'Be brief.']);
    command.child.stdin?.write('one\n\n');
    (await upstream.nextCall()).text('first').done();
    command.child.stdin?.end('two\n');
    const request = await upstream.nextCall();
    expect(request.body['messages']).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'first' },
      { role: 'user', content: 'two' },
    ]);
    request.text('second').done();
    expect(await command.exited).toBe(0);
    expect([command.stdout, command.stderr]).toEqual(['first\nsecond\n', '']);
  });

  it('has nothing but records in a conversation for programs', async () => {
    const command = run(['chat', ...at, '--json']);
    command.child.stdin?.write('one\n');
    (await upstream.nextCall()).text('first').done();
    command.child.stdin?.end('two\n');
    (await upstream.nextCall()).text('second').done();
    expect(await command.exited).toBe(0);
    const lines = command.stdout.split('\n');
    expect(lines.pop()).toBe('');
    const records = lines.map((line) => JSON.parse(line));
    expect(records.filter(({ state }) => state === 'completed')).toHaveLength(2);
  });

  it('says nothing of its own in a conversation, however long', async () => {
    const command = run(['chat', ...at]);
    for (let count = 0; count < 12; count++) {
      command.child.stdin?.write(`${count}\n`);
      (await upstream.nextCall()).text('yes').done();
    }
    command.child.stdin?.end();
    expect(await command.exited).toBe(0);
    expect([command.stdout, command.stderr]).toEqual(['yes\n'.repeat(12), '']);
  });

  it('has a conversation with a person, whom a stopped answer does not throw out', async () => {
    const command = onTerminal(['chat', ...at]);
    await command.said(PROMPT);
    command.child.stdin?.write('one\r');
    const first = await upstream.nextCall();
    first.text('endless');
    await command.said(/endless/);
    command.child.stdin?.write('\x03');
    await first.closed;
    await command.said(new RegExp(`cancelled[^]*${PROMPT.source}`));
    command.child.stdin?.write('two\r');
    const second = await upstream.nextCall();
    expect(second.body['messages']).toEqual([{ role: 'user', content: 'two' }]);
    second.text('Done.').done();
    await command.said(new RegExp(`Done\\.[^]*${PROMPT.source}`));
    command.child.stdin?.write('\x04');
    expect(await command.exited).toBe(0);
  });

  it('leaves a conversation at Ctrl-C where no answer is on its way', async () => {
    const before = upstream.calls.length;
    const command = onTerminal(['chat', ...at]);
    await command.said(PROMPT);
    command.child.stdin?.write('\x03');
    expect(await command.exited).toBe(130);
    expect(upstream.calls).toHaveLength(before);
  });

  it('lists the models as JSON', async () => {
    const { code, stdout } = await finished(['models', ...at, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).map(({ name }: { name: string }) => name)).toEqual([
      'llama3.2',
      'other:7b',
    ]);
  });

  it('lists the models as a table', async () => {
    const { code, stdout } = await finished(['models', ...at]);
    expect(code).toBe(0);
    const [header, ...rows] = stdout.trimEnd().split('\n');
    expect(header).toBe('NAME      UPSTREAM  SIZE  CONTEXT  LOADED');
    expect(rows).toEqual([
      'llama3.2  ollama    1 B   -        no',
      'other:7b  ollama    1 B   -        no',
    ]);
  });

  const digest = `sha256:${'a'.repeat(64)}`;
  const layer = (completed: number) => ({ status: 'pulling aa', digest, total: 4e6, completed });

  it('says each step of a pull once where nobody looks', async () => {
    const command = run(['pull', ...at, 'tiny']);
    const request = await upstream.nextCall();
    expect(request.body).toMatchObject({ model: 'tiny' });
    request.line({ status: 'pulling manifest' }).line(layer(1e6)).line(layer(4e6));
    request.line({ status: 'success' }).end();
    expect(await command.exited).toBe(0);
    expect(command.stdout).toBe('');
    expect(command.stderr).toBe('pulling manifest\npulling aa\nsuccess\n');
  });

  it('shows a person how far a pull is, and cancels it at Ctrl-C', async () => {
    const command = onTerminal(['pull', ...at, 'tiny']);
    const request = (await upstream.nextCall()).line(layer(1e6));
    await command.said(/pulling aa █{6}░{18} 25% 1\.0 MB of 4\.0 MB/);
    command.child.stdin?.write('\x03');
    expect(await command.exited).toBe(130);
    await request.closed;
  });
});
