import { StandardSchemaValidationPipe } from '@nestjs/common';
import type { z } from 'zod';
import { CastError } from '../protocol/errors.js';
import type { Refusal } from '../protocol/refusal.js';
import { chatFields, generateFields, samplingOptions } from '../protocol/model-fields.js';

type Detail = NonNullable<Refusal['details']>[number];

/** Most fields of a request that one refusal names. */
const MAX_DETAILS = 10;
/** Most characters of one detail: an unknown field's name is the caller's own text. */
const MAX_DETAIL_CHARS = 200;

/** The schema sees a request as it came: Nest would drop `constructor` and the like unsaid. */
class SchemaValidationPipe extends StandardSchemaValidationPipe {
  protected override stripProtoKeys(): void {}
}

/** Checks a request against the schema at its parameter; wrong input is `invalid_request`. */
export const validation = new SchemaValidationPipe({
  // All our schemas are zod's: what Nest hands on are its issues.
  exceptionFactory: (issues) => invalidRequest(issues as z.core.$ZodIssue[]),
});

/** The refusal of a request that has these faults. */
export function invalidRequest(issues: readonly z.core.$ZodIssue[]): CastError {
  return new CastError('invalid_request', {
    details: issues
      .slice(0, MAX_DETAILS)
      .flatMap(detailsOf)
      .slice(0, MAX_DETAILS)
      .map(({ path, message }) => ({
        path: path.slice(0, MAX_DETAIL_CHARS),
        message: message.slice(0, MAX_DETAIL_CHARS),
      })),
  });
}

/** One for each wrong field: of all unknown ones in an object zod makes one issue, at the object. */
function detailsOf(issue: z.core.$ZodIssue): Detail[] {
  if (issue.code === 'invalid_union') {
    // Of several forms the one counts that was begun: what is wrong inside of it is worth saying.
    const inside = issue.errors.find((issues) => issues.some(({ path }) => path.length > 0)) ?? [];
    if (inside.length > 0) {
      return inside.flatMap((one) => detailsOf({ ...one, path: [...issue.path, ...one.path] }));
    }
  }
  const path = issue.path.map(String);
  if (issue.code !== 'unrecognized_keys') return [{ path: path.join('.'), message: issue.message }];
  return issue.keys.slice(0, MAX_DETAILS).map((key) => ({
    path: [...path, key].join('.'),
    message: `unknown field${hint(path, key)}`,
  }));
}

/** Where that field would be right. */
function hint([outer]: string[], key: string): string {
  if (outer === undefined && Object.hasOwn(samplingOptions.shape, key)) {
    return `; it stands in options, as options.${key}`;
  }
  const isOfRequest = Object.hasOwn({ ...generateFields.shape, ...chatFields.shape }, key);
  return outer === 'options' && isOfRequest ? '; it stands beside options' : '';
}
