import type { z } from 'zod';

/** A field that SDKs send as null where nothing is set. */
export const maybe = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform((value) => value ?? undefined);
