import { setTimeout as sleep } from 'node:timers/promises';
import { effectScope } from 'vue';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { type Cast, connect } from '../src/index.js';
import { useCast } from '../src/vue.js';

describe('the Vue composable', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let cast: Cast;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 4 });
    cast = connect(app.socketUrl);
  });
  afterAll(async () => {
    cast?.close();
    await app?.close();
    await upstream?.close();
  });

  const until = async (condition: () => boolean): Promise<void> => {
    for (let left = 1_000; !condition(); left--) {
      if (left === 0) throw new Error(`not in time: ${condition.toString()}`);
      await sleep(5);
    }
  };

  it('shows one answer after another; the next one cancels the one before', async () => {
    const scope = effectScope();
    const { text, state, isRunning, result, error, generate } = scope.run(() => useCast(cast))!;
    expect([text.value, state.value, isRunning.value]).toEqual(['', 'idle', false]);
    const first = generate({ prompt: 'first' });
    const before = await upstream.nextCall();
    before.text('one');
    await until(() => text.value === 'one');
    expect(isRunning.value).toBe(true);

    generate({ prompt: 'second' });
    expect(text.value).toBe('');
    await before.closed;
    expect(await first.result).toMatchObject({ state: 'cancelled' });
    const request = await upstream.nextCall();
    request.text('two').done();
    await until(() => result.value?.verified === true);
    expect([text.value, state.value, isRunning.value]).toEqual(['two', 'completed', false]);
    expect(error.value).toBeUndefined();
    scope.stop();
  });

  it('leaves the answer, and does not stop the model, when its component goes away', async () => {
    const scope = effectScope();
    const { text, generate } = scope.run(() => useCast(cast))!;
    const stream = generate({ prompt: 'why?', onDisconnect: 'keep' });
    const request = await upstream.nextCall();
    request.text('seen');
    await until(() => text.value === 'seen');
    scope.stop();
    await expect(stream.result).rejects.toMatchObject({ code: 'closed' });
    request.text(', unseen').done();
    const later = cast.join(stream.generationId!);
    expect(await later.result).toMatchObject({ state: 'completed' });
    expect([later.text, text.value]).toEqual(['seen, unseen', 'seen']);
  });
});
