import { Stopwatch } from './stopwatch.js';

describe('tokens per second', () => {
  it.each([
    ['3 tokens in 150 ms', { eval_count: 3, eval_duration: 150_000_000 }, 20],
    [
      'one token, which has taken no time of its own',
      { eval_count: 1, eval_duration: 1_000 },
      null,
    ],
    ['no tokens', { eval_count: 0, eval_duration: 1_000 }, null],
    ['no time', { eval_count: 3, eval_duration: 0 }, null],
    ['nothing that the upstream has said', {}, null],
  ])('%s', (_, statistics, rate) => {
    expect(new Stopwatch(Date.now()).timings(statistics).tokensPerSecond).toBe(rate);
  });
});
