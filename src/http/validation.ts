import { StandardSchemaValidationPipe } from '@nestjs/common';
import { CastError } from '../protocol/errors.js';

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
  exceptionFactory: (issues) =>
    new CastError('invalid_request', {
      details: issues.slice(0, MAX_DETAILS).map((issue) => ({
        path: (issue.path ?? [])
          .map((part) => String(typeof part === 'object' ? part.key : part))
          .join('.')
          .slice(0, MAX_DETAIL_CHARS),
        message: issue.message.slice(0, MAX_DETAIL_CHARS),
      })),
    }),
});
