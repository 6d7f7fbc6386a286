import { asJson, fromJson } from '../src/conversations/portable.js';
import { newConversation, type Turn, withTurn } from 'llm-cast-client/conversation';

const TURN: Turn = {
  id: 'a',
  parent: '',
  question: 'Why?',
  answer: {
    id: 'b',
    askedAt: 0,
    model: 'llama3.2',
    state: 'completed',
    text: 'Because.',
    thinking: '',
  },
};
const whole = withTurn(newConversation(), TURN);
const read = (conversation: object) =>
  fromJson(asJson([conversation as typeof whole], new Map())).conversations;

describe('a file of conversations', () => {
  it('is read as it was written', () => {
    expect(read(whole)).toEqual([JSON.parse(JSON.stringify(whole))]);
  });

  it('of a newer version is refused, whatever it holds', () => {
    const file = JSON.parse(asJson([whole], new Map())) as object;
    const written = (change: object): string => JSON.stringify({ ...file, ...change });
    for (const conversations of [[whole], [], [{ v3: true }], undefined]) {
      expect(() => fromJson(written({ version: 3, conversations }))).toThrow(
        'This file is of a newer llm-cast than this page: update the server to read it.',
      );
    }
    expect(fromJson(written({ version: 2 })).conversations).toHaveLength(1);
  });

  // Each would keep the page from being drawn, at every visit from then on.
  it.each<[string, object]>([
    ['a model that is no text', { model: { name: 'llama3.2' } }],
    ['no settings', { settings: null }],
    ['versions that are no object', { shown: 'a' }],
    ['no id', { id: '' }],
    ['a turn without an id', { turns: [{ ...TURN, id: '' }] }],
    [
      'an answer whose model is no text',
      { turns: [{ ...TURN, answer: { ...TURN.answer, model: 1 } }] },
    ],
  ])('with %s is refused', (_what, change) => {
    expect(() => read({ ...whole, ...change })).toThrow('no conversations of llm-cast');
  });
});
