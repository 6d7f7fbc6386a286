import { z } from 'zod';

/** An object of at most `most` fields, whatever their names are: they are counted before one is looked at. */
export function boundedRecord<T extends z.ZodType>(value: T, most: number) {
  return z
    .looseObject({})
    .refine((fields) => Object.keys(fields).length <= most, {
      error: `at most ${most} fields`,
      abort: true,
    })
    .pipe(z.record(z.string(), value));
}
