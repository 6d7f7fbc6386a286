import { jest } from '@jest/globals';
import { Circuit } from './circuit.js';

describe('Circuit', () => {
  let circuit: Circuit;

  beforeEach(() => {
    jest.useFakeTimers();
    circuit = new Circuit();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  const fail = (times = 1): void => {
    for (let time = 0; time < times; time++) {
      circuit.begin();
      circuit.fail(false);
    }
  };
  /** How long it is open from now on. */
  const pause = (): number => {
    let ms = 0;
    while (circuit.isOpen) {
      jest.advanceTimersByTime(100);
      ms += 100;
    }
    return ms;
  };

  it('is closed at first, and after one or two failures', () => {
    expect(circuit.isOpen).toBe(false);
    fail(2);
    expect(circuit.isOpen).toBe(false);
  });

  it('opens at the third failure in a row', () => {
    fail(3);
    expect(circuit.isOpen).toBe(true);
  });

  it('forgets failures at a success between them', () => {
    fail(2);
    circuit.succeed();
    fail(2);
    expect(circuit.isOpen).toBe(false);
  });

  it('has closed when it says that its pause is over: a timer may be a part of a millisecond early', async () => {
    jest.useRealTimers();
    const ended = Array.from({ length: 200 }, () => {
      const wasOpen = new Promise<boolean>((resolve) => {
        const one = new Circuit(() => resolve(one.isOpen));
        one.fail(true);
      });
      for (const from = performance.now(); performance.now() < from + 0.17;);
      return wasOpen;
    });
    expect((await Promise.all(ended)).filter(Boolean)).toEqual([]);
  });

  it('opens at once where the upstream is certainly not there', () => {
    circuit.begin();
    circuit.fail(true);
    expect(circuit.isOpen).toBe(true);
  });

  it('lets one request try after the pause, and none beside it', () => {
    fail(3);
    jest.advanceTimersByTime(999);
    expect(circuit.isOpen).toBe(true);
    jest.advanceTimersByTime(1);
    expect(circuit.isOpen).toBe(false);
    circuit.begin();
    expect(circuit.isOpen).toBe(true);
  });

  it('closes when the trial succeeds, and begins with the first pause again', () => {
    fail(3);
    pause();
    fail();
    pause();
    circuit.begin();
    circuit.succeed();
    expect(circuit.isOpen).toBe(false);
    fail(2);
    expect(circuit.isOpen).toBe(false);
    fail();
    expect(pause()).toBe(1_000);
  });

  it('doubles its pause with each trial that fails, up to a minute', () => {
    fail(3);
    const pauses = [pause()];
    for (let trial = 0; trial < 8; trial++) {
      fail();
      pauses.push(pause());
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it('lets another try after a while where the trial never says how it ended', () => {
    fail(3);
    pause();
    circuit.begin();
    expect(pause()).toBe(1_000);
  });
});
