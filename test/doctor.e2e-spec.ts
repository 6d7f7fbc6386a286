import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CHECKS } from '../src/doctor/examine.js';
import type { Finding } from '../src/doctor/finding.js';
import { NOBODY, startApp } from './support/app.js';
import { ALL, CASES, Ward } from './support/doctor-cases.js';
import type { Faults } from './support/faulty-front.js';
import { freePort } from './support/free-port.js';
import { hasNginx, Nginx } from './support/nginx.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
/** A healthy run waits for a heartbeat, and several run at one time. */
const PATIENCE_MS = 60_000;

interface Run {
  code: number;
  stdout: string;
  stderr: string;
}

function doctor(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, 'doctor', ...args], (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

async function findings(...args: string[]): Promise<{ code: number; found: Finding[] }> {
  const { code, stdout, stderr } = await doctor('--json', ...args);
  expect(stderr).toBe('');
  const lines = stdout.split('\n').slice(0, -1);
  return { code, found: lines.map((line) => JSON.parse(line) as Finding) };
}

const named = (found: readonly Finding[], status: Finding['status']): string[] =>
  found.filter((finding) => finding.status === status).map(({ id }) => id);

describe('llm-cast doctor', () => {
  it.concurrent.each(CASES)(
    'finds $fault, and says what to mend',
    ({ prepare, red, skipped = [], what, mend }) =>
      Ward.during(async (ward) => {
        const { code, found } = await findings(...(await prepare(ward)));
        expect(named(found, 'failed')).toEqual([red]);
        expect(named(found, 'skipped')).toEqual(skipped);
        expect(found.map(({ id }) => id)).toEqual(ALL);
        // Round trips are slow on a busy machine.
        expect(named(found, 'warning').filter((id) => id !== 'ping')).toEqual([]);
        const finding = found.find(({ id }) => id === red);
        expect(finding?.what).toMatch(what);
        expect(`${finding?.mend?.how}\n${finding?.mend?.lines}`).toMatch(mend);
        expect(code).toBe(1);
      }),
    PATIENCE_MS,
  );

  it.concurrent(
    'finds everything in order where it is, and says so',
    () =>
      Ward.during(async (ward) => {
        const { code, stdout, stderr } = await doctor(await ward.behind({}));
        expect([stdout.match(/^ok {8}/gm)?.length, code, stderr]).toEqual([ALL.length, 0, '']);
        expect(stdout).toMatch(/\n\n12 ok\.\n$/);
        // No colours, and nothing that takes a line back, in a pipe.
        expect(stdout).not.toMatch(/(?!\n)\p{Cc}/u);
      }),
    PATIENCE_MS,
  );

  (hasNginx() ? it : it.skip).concurrent(
    'finds everything in order behind nginx with deploy/nginx.conf',
    () =>
      Ward.during(async (ward) => {
        const port = await freePort();
        const upstream = await ward.upstream();
        const env = {
          OLLAMA_BASE_URL: upstream.url,
          PUBLIC_SOCKET_URL: `http://127.0.0.1:${port}`,
          TRUST_PROXY: 'loopback',
        };
        const nginx = ward.keep(await Nginx.start(ward.keep(await startApp(env)), port));
        const { code, found } = await findings(nginx.url);
        expect(found.filter(({ status }) => status !== 'ok')).toEqual([]);
        expect([found.length, code]).toEqual([ALL.length, 0]);
      }),
    PATIENCE_MS,
  );

  it.concurrent(
    'warns of slow round trips, which break nothing',
    () =>
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
    PATIENCE_MS,
  );

  it.concurrent(
    'warns of one upstream of several that is away',
    () =>
      Ward.during(async (ward) => {
        const { url } = await ward.upstream();
        const env = { OLLAMA_BASE_URL: `${url},${NOBODY}` };
        const { found } = await findings(await ward.behind({}, env));
        const upstreams = found.filter(({ id }) => id === 'upstream');
        expect(upstreams.map(({ title, status }) => [title, status])).toEqual([
          ['Upstream ollama', 'ok'],
          ['Upstream ollama-2', 'warning'],
        ]);
        expect(upstreams[0]?.what).toBe('It answers: 1 model, 0 of 1 slot in use, 0 waiting.');
        expect(found.find(({ id }) => id === 'model')?.status).toBe('ok');
      }),
    PATIENCE_MS,
  );

  it.concurrent.each([
    ['polling', 'websocket'],
    ['websocket', 'polling'],
  ])(
    'takes it for no fault that only %s is offered',
    (offered, other) =>
      Ward.during(async (ward) => {
        const url = await ward.behind({}, { SOCKET_TRANSPORTS: offered });
        const { code, found } = await findings(url);
        expect(named(found, 'failed')).toEqual([]);
        expect(named(found, 'skipped').sort()).toEqual([other, 'upgrade'].sort());
        expect(code).toBe(0);
      }),
    PATIENCE_MS,
  );
});

describe('llm-cast doctor --generate', () => {
  /** The upstream is asked once, and answers as the test says. */
  const generate = (answer: (asked: UpstreamCall) => void, faults: Faults = {}) =>
    Ward.during(async (ward) => {
      const upstream = await ward.upstream();
      const url = await ward.behind(faults, { OLLAMA_BASE_URL: upstream.url });
      const run = findings(url, '--generate');
      const asked = await nextCall(upstream);
      answer(asked);
      const { found } = await run;
      expect(upstream.calls).toHaveLength(1);
      return found.find(({ id }) => id === 'generate');
    });

  it.concurrent(
    'measures one short answer, and proves that all of it arrived',
    async () => {
      const finding = await generate((asked) => {
        expect(asked.body).toMatchObject({ options: { num_predict: 64 } });
        asked.text('one, ').text('two, ').text('drei – 三').done();
      });
      expect(finding).toMatchObject({ id: 'generate', status: 'ok' });
      expect(finding?.what).toMatch(
        /^First token after \d+ ms, then 20\.0 tokens a second; all 22 bytes arrived, as their SHA-256 proves\.$/,
      );
    },
    PATIENCE_MS,
  );

  it.concurrent(
    'sees that the text was changed on the way',
    async () => {
      const finding = await generate((asked) => asked.text('one, two').done(), {
        replaces: ['one, two', 'one, ten'],
      });
      expect(finding).toMatchObject({
        status: 'failed',
        what: 'The text that arrived is not the one that was sent.',
      });
    },
    PATIENCE_MS,
  );

  it.concurrent(
    'says with which code an answer failed',
    async () => {
      const finding = await generate((asked) => asked.text('one').end());
      expect(finding?.status).toBe('failed');
      expect(finding?.what).toMatch(/\(upstream_truncated\)$/);
      expect(finding?.mend?.lines).toMatch(/^[\w-]{22}$/);
    },
    PATIENCE_MS,
  );

  it.concurrent(
    'asks no model unless it is told to, and cancels what it asked when it is interrupted',
    () =>
      Ward.during(async (ward) => {
        const upstream = await ward.upstream();
        const url = await ward.behind({}, { OLLAMA_BASE_URL: upstream.url });
        await findings(url);
        expect(upstream.calls).toEqual([]);
        const child = spawn(process.execPath, [CLI, 'doctor', url, '--generate']);
        const exited = once(child, 'exit');
        const asked = await nextCall(upstream);
        child.kill('SIGINT');
        await asked.closed;
        expect(await exited).toEqual([130, null]);
      }),
    PATIENCE_MS,
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
    const file = fileURLToPath(new URL('../docs/doctor.md', import.meta.url));
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
    [['http://localhost', '--origin', 'here'], '--origin must be an http or https URL.'],
    [['http://localhost', 'http://localhost'], 'Name one URL.'],
    [['--nope'], "Unknown option '--nope'."],
  ])('refuses %j', async (args, sentence) => {
    const { code, stdout, stderr } = await doctor(...args);
    expect(stderr).toBe(`llm-cast: ${sentence} See llm-cast doctor --help.\n`);
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
    expect(await exited).toEqual([1, null]);
  });
});

/** Later than `nextCall` itself has patience for: the other checks come first. */
async function nextCall(upstream: ScriptedUpstream): Promise<UpstreamCall> {
  const deadline = Date.now() + PATIENCE_MS / 2;
  while (upstream.calls.length === 0) {
    if (Date.now() > deadline) throw new Error('the model was not asked');
    await sleep(20);
  }
  return upstream.nextCall();
}
