import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { rolldown } from 'rolldown';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { FaultProxy } from '../../test/support/fault-proxy.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { until } from '../../test/support/until.js';
import type { Cast, connect } from '../src/index.js';

const require = createRequire(import.meta.url);

/** The package as an app bundles it, with what it exports as the value of the script. */
async function bundle(): Promise<string> {
  const input = fileURLToPath(new URL('../dist/index.js', import.meta.url));
  const resolve = { conditionNames: ['react-native', 'import'] };
  const built = await rolldown({ input, platform: 'browser', resolve });
  // Rolldown's default of `sourcemapIgnoreList` is a function, which it does not know again inside Jest.
  const { output } = await built.generate({
    format: 'iife',
    name: 'client',
    sourcemapIgnoreList: false,
  });
  return `${output[0].code}\nclient`;
}

/** What React Native's engine offers, and no more: no crypto, TextEncoder, URL or events of a page. */
const GLOBALS = {
  console,
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  fetch,
  Headers,
  AbortController,
  navigator: { product: 'ReactNative' },
  WebSocket: require('ws') as unknown,
  XMLHttpRequest: (require('xmlhttprequest-ssl') as { XMLHttpRequest: unknown }).XMLHttpRequest,
};

describe('the client in React Native', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let proxy: FaultProxy;
  let cast: Cast | undefined;
  let reactNative: { connect: typeof connect };

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 4 });
    proxy = await FaultProxy.start(Number(new URL(app.socketUrl).port));
    reactNative = runInContext(await bundle(), createContext({ ...GLOBALS }));
  });
  afterEach(() => cast?.close());
  afterAll(async () => {
    await proxy?.close();
    await app?.close();
    await upstream?.close();
  });

  it('streams answers that are told apart, and counts their bytes', async () => {
    cast = reactNative.connect(app.socketUrl);
    const streams = [cast.generate({ prompt: 'one' }), cast.generate({ prompt: 'two' })];
    for (let count = 0; count < 2; count++) {
      const request = await upstream.nextCall();
      request
        .text(`${String(request.body['prompt'])} é`)
        .text(' 😀')
        .done();
    }
    for (const stream of streams) expect(await stream.result).toMatchObject({ verified: true });
    expect(streams.map(({ text }) => text)).toEqual(['one é 😀', 'two é 😀']);
    expect(await cast.models()).toHaveLength(1);
  });

  it('comes back when the app says that it is in front again', async () => {
    let wake = (): void => undefined;
    let isOver = false;
    cast = reactNative.connect(proxy.url, {
      socket: { reconnectionDelay: 600_000, reconnectionDelayMax: 600_000 },
      onWake: (it) => {
        wake = it;
        return () => void (isOver = true);
      },
    });
    const stream = cast.generate({ prompt: 'why?' });
    const request = await upstream.nextCall();
    await until(() => stream.generationId !== undefined);
    proxy.cut();
    await until(() => !stream.view.connected);
    request.text('still there').done();
    wake();
    expect(await stream.result).toMatchObject({ verified: true });
    expect(stream.text).toBe('still there');
    cast.close();
    expect(isOver).toBe(true);
  });
});
