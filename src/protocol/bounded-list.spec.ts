import { z } from 'zod';
import { boundedList } from './bounded-list.js';

describe('a bounded list', () => {
  const looked: unknown[] = [];
  const element = z.object({ text: z.string().refine((text) => looked.push(text) > 0) });
  const list = boundedList(element, 1_000);
  const issuesOf = (value: unknown) => list.safeParse(value).error?.issues ?? [];
  beforeEach(() => void looked.splice(0));

  it('is what zod makes of an array, right or wrong', () => {
    const plain = z.array(element).max(1_000);
    for (const value of [
      [],
      [{ text: 'a' }, { text: 'b', more: 1 }],
      'a',
      null,
      [7],
      [{}, { text: 1 }],
    ]) {
      expect(list.safeParse(value)).toEqual(plain.safeParse(value));
    }
    expect(z.toJSONSchema(list)).toEqual(z.toJSONSchema(plain));
  });

  it('counts before it looks', () => {
    const issues = issuesOf(Array.from({ length: 1_001 }, () => ({ text: 'a' })));
    expect(issues).toMatchObject([{ code: 'too_big', maximum: 1_000 }]);
    expect(looked).toEqual([]);
  });

  it('stops at the tenth that is wrong', () => {
    const issues = issuesOf(Array.from({ length: 1_000 }, () => ({ text: 7 })));
    expect(issues.map(({ path }) => path)).toEqual(
      Array.from({ length: 10 }, (_, at) => [at, 'text']),
    );
  });

  it('stays so inside others, optional and described', () => {
    const schema = z.strictObject({ lists: boundedList(list.optional().meta({ title: 'x' }), 20) });
    const wrong = Array.from({ length: 20 }, () => Array.from({ length: 900 }, () => 7));
    expect(schema.safeParse({ lists: wrong }).error?.issues).toHaveLength(100);
  });
});
