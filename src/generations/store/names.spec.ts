import { Names } from './names.js';

const name = (name: string, user = 'shop/ada') => ({ name, user });

describe('names of generations', () => {
  it('a name stands for the last generation that was given it', () => {
    const names = new Names();
    names.give(name('chat'), 'one');
    names.give(name('chat'), 'two');
    expect(names.find(name('chat'))).toBe('two');
  });

  it('names of different users never meet', () => {
    const names = new Names();
    names.give(name('chat'), 'one');
    expect(names.find(name('chat', 'shop/bob'))).toBeUndefined();
  });

  it('a name is forgotten with its generation, and with no earlier one', () => {
    const names = new Names();
    names.give(name('chat'), 'one');
    names.give(name('chat'), 'two');
    names.forget('one');
    expect(names.find(name('chat'))).toBe('two');
    names.forget('two');
    expect(names.find(name('chat'))).toBeUndefined();
  });
});
