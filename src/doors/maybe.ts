import { z } from 'zod';

/** zod's own `optional`, to which null means the same as nothing: one step where `nullish` and a transform are five. */
const Maybe = z.core.$constructor<z.ZodOptional>('Maybe', (inst, definition) => {
  z.ZodOptional.init(inst, definition);
  const { innerType } = definition;
  inst._zod.parse = (payload, context) => {
    const isSet = payload.value !== null && payload.value !== undefined;
    if (isSet) return innerType._zod.run(payload, context);
    payload.value = undefined;
    return payload;
  };
});

/** A field that clients also send as null where nothing is set. */
export const maybe = <T extends z.ZodType>(innerType: T) =>
  new Maybe({ type: 'optional', innerType }) as unknown as z.ZodOptional<T>;
