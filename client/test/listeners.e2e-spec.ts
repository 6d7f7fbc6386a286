import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { FaultProxy } from '../../test/support/fault-proxy.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { until } from '../../test/support/until.js';
import { type Cast, connect } from '../src/index.js';

const broken = (): never => {
  throw new Error('a listener of the app');
};

// What an app does with an event must not cost it the answer.
describe('a listener that throws', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let proxy: FaultProxy;
  let cast: Cast;
  /** What nobody caught, as a browser reports it. */
  let reported: string[];

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url });
  });
  beforeEach(async () => {
    proxy = await FaultProxy.start(Number(new URL(app.socketUrl).port));
    reported = [];
    Object.assign(globalThis, {
      reportError: ({ message }: Error) => void reported.push(message),
    });
    cast = connect(proxy.url, {
      socket: { reconnectionDelay: 5, reconnectionDelayMax: 50 },
      auth: { userId: 'ada' },
      onGeneration: broken,
    });
  });
  afterEach(async () => {
    Reflect.deleteProperty(globalThis, 'reportError');
    cast.close();
    await proxy.close();
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  it('hears all, is reported, and keeps the answer neither from its end nor from others', async () => {
    const stream = cast.generate({ prompt: 'why?' }, { onRecord: broken });
    stream.subscribe(broken);
    const lengths: number[] = [];
    stream.subscribe(() => void lengths.push(stream.text.length));
    const request = await upstream.nextCall();
    request.text('because').done();
    expect(await stream.result).toMatchObject({ verified: true });
    expect([stream.text, lengths.at(-1)]).toEqual(['because', 7]);
    expect(reported.length).toBeGreaterThan(2);
    expect(new Set(reported)).toEqual(new Set(['a listener of the app']));
  });

  it('of the connection does not keep it from coming back', async () => {
    cast.subscribe(broken);
    await until(() => cast.connected);
    const stream = cast.generate({ prompt: 'why?' });
    const request = await upstream.nextCall();
    request.text('be');
    await until(() => stream.text === 'be');
    proxy.cut();
    request.text('cause').done();
    expect(await stream.result).toMatchObject({ verified: true });
    cast.close();
    expect(cast.connected).toBe(false);
  });

  it('of what another tab has started keeps nothing from being read', async () => {
    cast.open();
    await until(() => cast.connected);
    const other = connect(app.socketUrl, { auth: { userId: 'ada' } });
    try {
      const stream = other.sendMessage({ user_content: 'why?' });
      const request = await upstream.nextCall();
      request.text('be');
      await until(() => reported.length === 1);
      const seen = cast.join(stream.generationId!);
      request.text('cause').done();
      expect(await seen.result).toMatchObject({ verified: true });
      expect(seen.text).toBe('because');
    } finally {
      other.close();
    }
  });
});
