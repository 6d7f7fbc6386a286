import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { FaultyFront } from '../support/faulty-front.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { ROOT } from '../support/tables.js';
import { until } from '../support/until.js';

describe('examples/openai-sdk', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let front: FaultyFront;
  let child: ChildProcess | undefined;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url });
    front = await FaultyFront.start({ cutsAfterMs: 100 });
    front.app = app;
  });
  afterAll(async () => {
    child?.kill('SIGKILL');
    await front?.close();
    await app?.close();
    await upstream?.close();
  });

  /** Starts it. @returns what it prints, while it grows, and its exit code */
  const run = (url: string) => {
    const process_ = spawn(process.execPath, ['examples/openai-sdk/ask.mjs', 'why?'], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'], LLM_CAST_URL: url },
    });
    child = process_;
    const said = { out: '', err: '' };
    process_.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
    process_.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
    return { said, ended: once(process_, 'close') as Promise<[number]>, process_ };
  };

  it('prints the whole answer, once, over a proxy that cuts every connection', async () => {
    const { said, ended } = run(front.url);
    const request = await upstream.nextCall();
    let text = '';
    for (let at = 0; at < 40; at++) {
      text += `${at} `;
      request.text(`${at} `);
      await sleep(20);
    }
    request.done();
    expect([(await ended)[0], said.err]).toEqual([0, '']);
    expect(said.out).toBe(`${text}\n`);
  });

  it('stops the model with Ctrl-C', async () => {
    const { said, ended, process_ } = run(app.url);
    const request = await upstream.nextCall();
    request.text('The sky');
    await until(() => said.out === 'The sky');
    process_.kill('SIGINT');
    await request.closed;
    expect([(await ended)[0], said.err.trim()]).toEqual([1, 'cancelled']);
  });
});
