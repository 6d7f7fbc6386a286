import { z } from 'zod';

/** Most wrong elements of one list that are told: each issue takes a hundred times its element. */
const MAX_ISSUES = 10;

/** What zod knows of a list, and how many elements it may have. */
interface Definition extends z.core.$ZodArrayDef {
  most: number;
}

/** zod's own array, which stops at the tenth element that is wrong. */
const BoundedArray = z.core.$constructor<z.ZodArray>('BoundedArray', (inst, definition) => {
  z.ZodArray.init(inst, definition);
  const { element, most } = definition as unknown as Definition;
  const parse = inst._zod.parse.bind(inst._zod);
  inst._zod.parse = (payload, context) => {
    const input: unknown = payload.value;
    // zod counts before it looks at an element.
    if (!Array.isArray(input) || input.length > most) return parse(payload, context);
    const elements: unknown[] = [];
    let wrong = 0;
    for (const value of input) {
      const result = element._zod.run({ value, issues: [] }, context);
      if (result instanceof Promise) throw new z.core.$ZodAsyncError();
      if (result.issues.length > 0) {
        payload.issues.push(...z.core.util.prefixIssues(elements.length, result.issues));
        if (++wrong === MAX_ISSUES) break;
      }
      elements.push(result.value);
    }
    payload.value = elements;
    return payload;
  };
});

/** A list of at most `most` elements, as `z.array(element).max(most)`, whatever is sent in it. */
export function boundedList<T extends z.ZodType>(element: T, most: number): z.ZodArray<T> {
  const definition: Definition = { type: 'array', element, most };
  return (new BoundedArray(definition) as unknown as z.ZodArray<T>).max(most);
}
