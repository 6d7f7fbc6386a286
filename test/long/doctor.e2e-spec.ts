import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CHECKS } from '../../doctor/src/examine.js';
import type { Finding } from '../../doctor/src/finding.js';
import type * as Command from '../../src/cli/doctor.js';
import { NOBODY, startApp } from '../support/app.js';
import { Client } from '../support/client.js';
import { SECRET, tokenOf } from '../support/credentials.js';
import { ALL, CASES, Ward } from '../support/doctor-cases.js';
import { CLI, doctor, examined, findings } from '../support/doctor-run.js';
import { type Faults, FaultyFront } from '../support/faulty-front.js';
import { freePort } from '../support/free-port.js';
import { OpenAiUpstream } from '../support/openai-upstream.js';
import type { UpstreamCall } from '../support/scripted-upstream.js';

const named = (found: readonly Finding[], status: Finding['status']): string[] =>
  found.filter((finding) => finding.status === status).map(({ id }) => id);

const NO_ORIGIN =
  '--origin must be an origin as CORS_ORIGINS names it, such as https://app.example or capacitor://localhost.';

describe('llm-cast doctor', () => {
  it.concurrent.each(CASES)(
    'finds $fault, and says what to mend',
    ({ prepare, red, alsoRed = [], warned = [], skipped = [], what, mend }) =>
      Ward.during(async (ward) => {
        const [url = '', , origin = new URL(url).origin] = await prepare(ward);
        const found = await examined(url, { origin });
        expect(named(found, 'failed')).toEqual([red, ...alsoRed]);
        expect(named(found, 'skipped')).toEqual(skipped);
        expect(found.map(({ id }) => id)).toEqual(ALL);
        // Round trips are slow on a busy machine.
        expect(named(found, 'warning').filter((id) => id !== 'ping')).toEqual(warned);
        const finding = found.find(({ id }) => id === red);
        expect(finding?.what).toMatch(what);
        expect(`${finding?.mend?.how}\n${finding?.mend?.lines}`).toMatch(mend);
      }),
  );

  it.concurrent('finds everything in order where it is, and says so', () =>
    Ward.during(async (ward) => {
      const { code, stdout, stderr } = await doctor(await ward.behind({}));
      expect([stdout.match(/^ok {8}/gm)?.length, code, stderr]).toEqual([ALL.length, 0, '']);
      expect(stdout).toContain(`\n\n${ALL.length} ok.\n`);
      // No colours, and nothing that takes a line back, in a pipe.
      expect(stdout).not.toMatch(/(?!\n)\p{Cc}/u);
    }),
  );

  it.concurrent('lets in an app that CORS_ORIGINS names, as the server does', () =>
    Ward.during(async (ward) => {
      const url = await ward.behind({}, { CORS_ORIGINS: 'capacitor://localhost' });
      const { code, found } = await findings(url, '--origin', 'Capacitor://localhost');
      expect([named(found, 'failed'), named(found, 'skipped'), code]).toEqual([[], [], 0]);
      const { what } = found.find(({ id }) => id === 'origin') ?? {};
      expect(what).toBe('Pages of capacitor://localhost are let in.');
    }),
  );

  it.concurrent('warns of slow round trips, which break nothing', () =>
    Ward.during(async (ward) => {
      const { code, found } = await findings(await ward.behind({ delayMs: 600 }));
      expect(named(found, 'warning')).toEqual(['ping']);
      expect(named(found, 'ok')).toEqual(ALL.filter((id) => id !== 'ping'));
      const { what = '' } = found.find(({ id }) => id === 'ping') ?? {};
      const [, median, worst] = /^(\d+) ms .* (\d+) ms at worst/.exec(what) ?? [];
      expect(Number(median)).toBeGreaterThanOrEqual(595);
      expect(Number(worst)).toBeGreaterThanOrEqual(Number(median));
      expect(code).toBe(0);
    }),
  );

  it.concurrent('warns of one upstream of several that is away', () =>
    Ward.during(async (ward) => {
      const { url } = await ward.upstream();
      const env = { OLLAMA_BASE_URL: `${url},${NOBODY}` };
      const found = await examined(await ward.behind({}, env));
      const upstreams = found.filter(({ id }) => id === 'upstream');
      expect(upstreams.map(({ title, status }) => [title, status])).toEqual([
        ['Upstream ollama', 'ok'],
        ['Upstream ollama-2', 'warning'],
      ]);
      expect(upstreams[0]?.what).toBe('It answers: 1 model, 0 of 1 slot in use, 0 waiting.');
      expect(found.find(({ id }) => id === 'model')?.status).toBe('ok');
    }),
  );

  it.concurrent('says that a server is not ready whose upstreams are all away', () =>
    Ward.during(async (ward) => {
      const found = await examined(await ward.behind({}, { OLLAMA_BASE_URL: NOBODY }));
      expect(found.find(({ id }) => id === 'ready')?.what).toMatch(
        /none of its upstreams answers.*\(503\)/,
      );
    }),
  );

  it.concurrent(
    'takes the default model for one that callers may not name, where ALLOWED_MODELS leaves it out',
    () =>
      Ward.during(async (ward) => {
        const upstream = await ward.upstream();
        upstream.models = ['llama3.2', 'qwen3:8b'];
        const env = { OLLAMA_BASE_URL: upstream.url, ALLOWED_MODELS: 'qwen3:8b' };
        const { code, found } = await findings(await ward.behind({}, env));
        const finding = found.find(({ id }) => id === 'model');
        expect(finding).toMatchObject({ status: 'warning' });
        expect(finding?.what).toMatch(/^llama3\.2 is hidden, as ALLOWED_MODELS does not name it/);
        expect(finding?.mend?.lines).toMatch(/^llm-cast doctor --generate http/);
        expect([code, upstream.calls]).toEqual([0, []]);
      }),
  );

  it.concurrent('asks no upstream for a default model that none has', () =>
    Ward.during(async (ward) => {
      const upstream = await ward.upstream();
      const env = { OLLAMA_BASE_URL: upstream.url, OLLAMA_MODEL: 'qwen3:8b' };
      const found = await examined(await ward.behind({}, env));
      expect(named(found, 'failed')).toEqual(['model']);
      expect(upstream.calls).toEqual([]);
    }),
  );

  it.concurrent.each([
    ['Ollama has it under a name of other case and without its tag', 'Llama3.2:latest', 'ok'],
    ['Ollama has another tag of it', 'llama3.2:1b', 'failed'],
  ])('compares names as llm-cast does: %s', (_case, model, status) =>
    Ward.during(async (ward) => {
      const found = await examined(await ward.behind({}, { OLLAMA_MODEL: model }));
      expect(found.find(({ id }) => id === 'model')?.status).toBe(status);
    }),
  );

  it.concurrent(
    'compares names as llm-cast does: an OpenAI-compatible server has it in other case only',
    () =>
      Ward.during(async (ward) => {
        const { url } = ward.keep(await OpenAiUpstream.start());
        const env = { OLLAMA_BASE_URL: '', OPENAI_BASE_URL: url, OPENAI_MODEL: 'GPT-demo' };
        const found = await examined(await ward.behind({}, env));
        expect(found.find(({ id }) => id === 'model')).toMatchObject({
          status: 'failed',
          what: 'No upstream lists GPT-demo.',
          mend: { lines: 'OPENAI_MODEL=gpt-demo' },
        });
      }),
  );

  it.concurrent.each([
    ['polling', 'websocket'],
    ['websocket', 'polling'],
  ])('takes it for no fault that only %s is offered', (offered, other) =>
    Ward.during(async (ward) => {
      const url = await ward.behind({}, { SOCKET_TRANSPORTS: offered });
      const { code, found } = await findings(url);
      expect(named(found, 'failed')).toEqual([]);
      expect(named(found, 'skipped').sort()).toEqual([other, 'upgrade'].sort());
      expect(code).toBe(0);
    }),
  );
});

describe('llm-cast doctor --generate', () => {
  /** The upstream is asked once, and answers as the test says. */
  const generate = (answer: (asked: UpstreamCall) => void, faults: Faults = {}) =>
    Ward.during(async (ward) => {
      const upstream = await ward.upstream();
      const url = await ward.behind(faults, { OLLAMA_BASE_URL: upstream.url });
      const run = examined(url, { generate: true });
      const asked = await upstream.nextCall();
      answer(asked);
      const found = await run;
      expect(upstream.calls).toHaveLength(1);
      return found.find(({ id }) => id === 'generate');
    });

  it.concurrent('measures one short answer, and proves that all of it arrived', async () => {
    const finding = await generate((asked) => {
      expect(asked.body).toMatchObject({ options: { num_predict: 64 } });
      asked.text('one, ').text('two, ').text('drei – 三').done();
    });
    expect(finding).toMatchObject({ id: 'generate', status: 'ok' });
    expect(finding?.what).toMatch(
      /^First token after \d+ ms, then 20\.0 tokens a second; all 22 bytes arrived, as their SHA-256 proves\.$/,
    );
  });

  it.concurrent('sees that the text was changed on the way', async () => {
    const finding = await generate((asked) => asked.text('one, two').done(), {
      replaces: ['one, two', 'one, ten'],
    });
    expect(finding).toMatchObject({
      status: 'failed',
      what: 'The text that arrived is not the one that was sent.',
    });
  });

  it.concurrent(
    'asks an upstream that lists no models, as only that shows whether the model is there',
    () =>
      Ward.during(async (ward) => {
        const answer = {
          choices: [{ index: 0, delta: { content: 'one' }, finish_reason: 'stop' }],
        };
        const url = await ward.server(({ url: path }, response) => {
          if (path !== '/v1/chat/completions') return response.writeHead(404).end();
          response.setHeader('content-type', 'text/event-stream');
          return response.end(`data: ${JSON.stringify(answer)}\n\ndata: [DONE]\n\n`);
        });
        const env = {
          OLLAMA_BASE_URL: '',
          OPENAI_BASE_URL: `${url}/v1`,
          OPENAI_MODEL: 'gpt-demo',
        };
        const { code, found } = await findings(await ward.behind({}, env), '--generate');
        const finding = found.find(({ id }) => id === 'model');
        expect(finding?.status).toBe('warning');
        expect(finding?.what).toMatch(
          /^Nobody can tell whether gpt-demo is there: upstream openai/,
        );
        expect(finding?.mend?.lines).toMatch(/^llm-cast doctor --generate http/);
        expect(found.find(({ id }) => id === 'generate')?.status).toBe('ok');
        expect(code).toBe(0);
      }),
  );

  it.concurrent('says that the connection was cut in the middle of the answer', () =>
    Ward.during(async (ward) => {
      const upstream = await ward.upstream();
      const front = await FaultyFront.start({});
      const env = { OLLAMA_BASE_URL: upstream.url, PUBLIC_SOCKET_URL: front.url };
      front.app = ward.keep(await startApp(env));
      const run = findings(front.url, '--generate');
      (await upstream.nextCall()).text('one');
      await front.close();
      const { code, found } = await run;
      const finding = found.find(({ id }) => id === 'generate');
      expect(finding?.status).toBe('failed');
      expect(finding?.what).toMatch(/^The connection was cut in the middle \(transport/);
      expect(finding?.mend?.lines).toMatch(/proxy_read_timeout/);
      expect([found.at(-1)?.id, code]).toEqual(['idle', 1]);
    }),
  );

  it.concurrent('uses a connection that is left where others were cut', () =>
    Ward.during(async (ward) => {
      const upstream = await ward.upstream();
      // Ten round trips take longer than that, and an upgrade does not.
      const faults = { cutsWebSocketsMs: 3_500, delayMs: 400 };
      const url = await ward.behind(faults, { OLLAMA_BASE_URL: upstream.url });
      const run = examined(url, { generate: true });
      (await upstream.nextCall()).text('one').done();
      const found = await run;
      expect(named(found, 'failed')).toEqual(['ping', 'idle']);
      expect(found.find(({ id }) => id === 'generate')?.status).toBe('ok');
    }),
  );

  it.concurrent(
    'does not take an answer that all tabs of the user see for the one it asked for',
    () =>
      Ward.during(async (ward) => {
        const upstream = await ward.upstream();
        const env = { OLLAMA_BASE_URL: upstream.url, JWT_SECRET: SECRET, MAX_CONCURRENT: 2 };
        const url = await ward.behind({}, env);
        const token = await tokenOf('ada');
        const file = join(await mkdtemp(join(tmpdir(), 'llm-cast-doctor-')), 'token');
        await writeFile(file, token);
        const run = findings(url, '--generate', '--token-file', file);
        const asked = (await upstream.nextCall()).text('one, ');
        const tab = await Client.connect(url, { auth: { token } });
        ward.keep({ close: async () => tab.close() });
        const { generationId } = await tab.accepted('generate', { prompt: 'x', audience: 'user' });
        (await upstream.nextCall()).text('of the other tab').done();
        await tab.ended(generationId);
        asked.text('two').done();
        const { found } = await run;
        expect(found.find(({ id }) => id === 'generate')).toMatchObject({ status: 'ok' });
      }),
  );

  it.concurrent('says with which code an answer failed', async () => {
    const finding = await generate((asked) => asked.text('one').end());
    expect(finding?.status).toBe('failed');
    expect(finding?.what).toMatch(/\(upstream_truncated\)$/);
    expect(finding?.mend?.lines).toMatch(/^[\w-]{22}$/);
  });

  it.concurrent('asks no model unless it is told to', () =>
    Ward.during(async (ward) => {
      const upstream = await ward.upstream();
      await findings(await ward.behind({}, { OLLAMA_BASE_URL: upstream.url }));
      expect(upstream.calls).toEqual([]);
    }),
  );

  // With a delay it is interrupted before it has heard that the answer was started.
  it.concurrent.each([0, 400])(
    'cancels what it asked when it is interrupted (%i ms away)',
    (delayMs) =>
      Ward.during(async (ward) => {
        const upstream = await ward.upstream();
        const url = await ward.behind({ delayMs }, { OLLAMA_BASE_URL: upstream.url });
        const child = spawn(process.execPath, [CLI, 'doctor', url, '--generate']);
        const exited = once(child, 'exit');
        const asked = await upstream.nextCall();
        child.kill('SIGINT');
        await asked.closed;
        expect(await exited).toEqual([130, null]);
      }),
  );

  it.concurrent('cancels what it asked when its connection is lost', () =>
    Ward.during(async (ward) => {
      const upstream = await ward.upstream();
      const faults = { cutsWebSocketsMs: 2_500 };
      const url = await ward.behind(faults, { OLLAMA_BASE_URL: upstream.url });
      const run = examined(url, { generate: true });
      await (await upstream.nextCall()).text('one').closed;
      const found = await run;
      expect(found.find(({ id }) => id === 'generate')).toMatchObject({ status: 'failed' });
    }),
  );
});

describe('GET /health/stream', () => {
  it('is an event stream that no proxy is to hold back', async () => {
    const app = await startApp();
    try {
      const response = await fetch(`${app.url}/health/stream`);
      expect(response.headers.get('content-type')).toMatch('text/event-stream');
      expect(response.headers.get('x-accel-buffering')).toBe('no');
      expect(response.headers.get('cache-control')).toMatch('no-transform');
      const sent = await response.text();
      expect(sent.match(/^data: \{"status":"ok"\}$/gm)).toHaveLength(5);
    } finally {
      await app.close();
    }
  });
});

describe('docs/doctor.md', () => {
  it('lists every check with its id and its limit, in their order', () => {
    const file = fileURLToPath(new URL('../../docs/doctor.md', import.meta.url));
    const [, table = ''] =
      /<!-- checks -->(.*)<!-- \/checks -->/s.exec(readFileSync(file, 'utf8')) ?? [];
    const rows = [...table.matchAll(/^\| (.+?) +\| `(\w+)` +\|.*\| (\d+) s +\|$/gm)];
    expect(rows.map(([, title, id, seconds]) => [title, id, Number(seconds) * 1000])).toEqual(
      CHECKS.map(({ title, id, limitMs }) => [title, id, limitMs]),
    );
  });
});

describe('the command', () => {
  it.concurrent.each([
    [['box:1'], 'URL must be an http or https URL.'],
    [['http://localhost', '--origin', 'here'], NO_ORIGIN],
    [['http://localhost', '--origin', 'capacitor://localhost/page'], NO_ORIGIN],
    [['http://localhost', '--origin', 'https://*.example.com'], NO_ORIGIN],
    [['http://localhost', 'http://localhost'], 'Name one URL.'],
    [
      ['http://ada:secret@localhost'],
      'URL must be without credentials: the doctor sends none. Behind a proxy that asks for them, run it on the machine of llm-cast.',
    ],
    [['--nope'], "Unknown option '--nope'."],
  ])('refuses %j', async (args, sentence) => {
    const { doctor: command } = await importOnce<typeof Command>('src/cli/doctor.ts');
    await expect(command(args, AbortSignal.timeout(60_000))).rejects.toMatchObject({
      message: `${sentence} See llm-cast doctor --help.`,
      exitCode: 2,
    });
  });

  it.concurrent('says on stderr what it refuses', async () => {
    const { code, stdout, stderr } = await doctor('box:1');
    expect(stderr).toBe(
      'llm-cast: URL must be an http or https URL. See llm-cast doctor --help.\n',
    );
    expect([code, stdout]).toEqual([2, '']);
  });

  it.concurrent('has a help of its own, and stands in that of llm-cast', async () => {
    const { code, stdout } = await doctor('--help');
    expect([code, stdout.split('\n')[0]]).toEqual([0, 'Usage: llm-cast doctor [options] [URL]']);
    expect((await promisify(execFile)(process.execPath, [CLI, '--help'])).stdout).toContain(
      '  llm-cast doctor [URL] ',
    );
  });

  it.concurrent('ends quietly when nobody reads on', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const child = spawn(process.execPath, [CLI, 'doctor', url]);
    child.stdout.destroy();
    const exited = once(child, 'exit');
    expect(await text(child.stderr)).toBe('');
    expect(await exited).toEqual([141, null]);
  });

  it.concurrent('colours the states on a terminal', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const line = `'${process.execPath}' '${CLI}' doctor ${url}`;
    const child = spawn('script', ['-qefc', line, '/dev/null'], {
      env: { PATH: process.env['PATH'], TERM: 'xterm', SHELL: '/bin/sh' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const said = await text(child.stdout);
    expect(said).toContain('\x1b[31mfailed\x1b[0m    REST server: Nothing listens');
    expect(said).toContain('\x1b[2mskipped\x1b[0m');
    // It says what goes on, but nothing that will not be done.
    expect(said).toContain('Unused connections');
    expect(said).not.toContain('An answer');
    expect(await exited).toEqual([1, null]);
  });
});
