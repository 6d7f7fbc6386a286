import type { Orphan } from '../generations/peers.js';
import { ExactNumber } from '../protocol/exact-json.js';
import { readRequest, writeRequest } from './kept-request.js';

const SEED = '9223372036854775807';

describe('a kept request', () => {
  it('keeps every digit of a number: another node asks the same', () => {
    const request = {
      endpoint: 'generate',
      model: 'llama3.2',
      prompt: `${SEED} as a text`,
      options: { seed: new ExactNumber(SEED), temperature: 0.5 },
    };
    const caller = { principal: { kind: 'rest' }, turn: 'address' };
    const orphan = { request, caller, keep: true } as unknown as Orphan;
    expect(readRequest(writeRequest(orphan, 'name'))).toEqual({
      ...orphan,
      keyName: 'name',
    });
  });
});
