import { jest } from '@jest/globals';
import { SilenceWatch } from './silence-watch.js';

describe('SilenceWatch', () => {
  let silences: number;
  let watch: SilenceWatch;

  beforeEach(() => {
    jest.useFakeTimers();
    silences = 0;
    watch = new SilenceWatch(100, () => silences++);
  });
  afterEach(() => {
    watch.stop();
    jest.useRealTimers();
  });

  it('notices a silence of the allowed length, once', () => {
    watch.start();
    jest.advanceTimersByTime(99);
    expect(silences).toBe(0);
    jest.advanceTimersByTime(1);
    expect(silences).toBe(1);
    jest.advanceTimersByTime(1_000);
    expect(silences).toBe(1);
  });

  it('counts from what was heard last', () => {
    watch.start();
    for (let heard = 0; heard < 10; heard++) {
      jest.advanceTimersByTime(90);
      watch.heard();
    }
    expect(silences).toBe(0);
    jest.advanceTimersByTime(99);
    expect(silences).toBe(0);
    jest.advanceTimersByTime(1);
    expect(silences).toBe(1);
  });

  it('notices nothing before the start, nor after the stop', () => {
    jest.advanceTimersByTime(1_000);
    watch.start();
    watch.stop();
    jest.advanceTimersByTime(1_000);
    expect(silences).toBe(0);
  });
});
