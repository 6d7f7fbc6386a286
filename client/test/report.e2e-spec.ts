import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { FaultProxy } from '../../test/support/fault-proxy.js';
import { Scrape } from '../../test/support/scrape.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { until } from '../../test/support/until.js';
import { type Cast, connect } from '../src/index.js';

const messages = [{ role: 'user' as const, content: 'Why is the sky blue?' }];

describe('what the user felt', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let proxy: FaultProxy;
  let cast: Cast | undefined;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, METRICS: 'true' });
    proxy = await FaultProxy.start(Number(new URL(app.socketUrl).port));
  });
  afterEach(() => cast?.close());
  afterAll(async () => {
    await proxy?.close();
    await app?.close();
    await upstream?.close();
  });
  const reports = async (): Promise<Record<string, number>> =>
    (await Scrape.of(app.url)).by('llm_cast_integrity_reports_total', 'result');

  it('is told once an answer where it is asked for, with cuts, resumes and the proof', async () => {
    const socket = { reconnectionDelay: 5, transports: ['websocket'] };
    cast = connect(proxy.url, { report: true, socket });
    const stream = cast.chat({ messages });
    const call = await upstream.nextCall();
    call.text('The sky');
    await until(() => stream.view.text === 'The sky');
    for (const connection of proxy.connections) connection.cut();
    await until(() => cast?.connected === false);
    await until(() => cast?.connected === true);
    call.text(' is blue').done();
    expect(await stream.result).toMatchObject({ state: 'completed', verified: true });
    await until(async () => (await reports())['whole'] === 1);
    const scrape = await Scrape.of(app.url);
    expect(scrape.sum('llm_cast_client_cuts_total')).toBe(1);
    expect(scrape.sum('llm_cast_client_resumes_total')).toBe(1);
    expect(scrape.by('llm_cast_client_lag_seconds_count', 'of')).toEqual({ median: 1, p95: 1 });
    expect(scrape.sum('llm_cast_resumes_total')).toBe(1);
  });

  it('is not told where nobody asked for it', async () => {
    const before = await reports();
    cast = connect(app.socketUrl);
    const stream = cast.chat({ messages });
    (await upstream.nextCall()).text('The sky').done();
    await stream.result;
    // What would have been sent before this is answered before it.
    await cast.join('AAAAAAAAAAAAAAAAAAAAAA').result.catch(() => undefined);
    expect(await reports()).toEqual(before);
  });
});
