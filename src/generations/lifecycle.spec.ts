import { Logger } from '@nestjs/common';
import { Lifecycle } from './lifecycle.js';

describe('the lifecycle', () => {
  beforeAll(() => Logger.overrideLogger(false));

  it('tells every listener at once, in the order in which they came', () => {
    const lifecycle = new Lifecycle();
    const heard: string[] = [];
    lifecycle.listen({ slowReader: (door) => void heard.push(`first ${door}`) });
    lifecycle.listen({});
    lifecycle.listen({ slowReader: (door) => void heard.push(`second ${door}`) });
    lifecycle.tell('slowReader', 'sse');
    expect(heard).toEqual(['first sse', 'second sse']);
  });

  it('contains what a listener throws: the others hear, and whoever tells goes on', () => {
    const lifecycle = new Lifecycle();
    let heard = 0;
    lifecycle.listen({
      slowReader: () => {
        throw new Error('a listener is broken');
      },
    });
    lifecycle.listen({ slowReader: () => void heard++ });
    lifecycle.tell('slowReader', 'socket');
    lifecycle.tell('slowReader', 'socket');
    expect(heard).toBe(2);
  });
});
