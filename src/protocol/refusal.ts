import { z } from 'zod';
import { errorCode } from './errors.js';

/** What a request is refused with, at every door of our own. */
export const refusal = z
  .object({
    statusCode: z.number().optional().describe('The HTTP status; not over the socket.'),
    code: errorCode,
    message: z.string().describe('For people; may change. Programs go by `code`.'),
    retryable: z.boolean().describe('Whether the same request may succeed later.'),
    retryAfterMs: z
      .number()
      .optional()
      .describe('Earliest sensible time for the next try, in milliseconds.'),
    requestId: z
      .string()
      .optional()
      .describe("The HTTP request's `X-Request-Id`, which the log knows too."),
    details: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('Which fields of the request are wrong, and why. Never their values.'),
  })
  .meta({
    id: 'Refusal',
    description: "A refusal: the HTTP body, and `error` in a socket's ack.",
    examples: [
      {
        code: 'queue_full',
        message: 'The waiting line is full.',
        retryable: true,
        retryAfterMs: 4200,
      },
      {
        code: 'invalid_request',
        message: 'The request is not well-formed.',
        retryable: false,
        details: [{ path: 'prompt', message: 'Invalid input: expected string' }],
      },
    ],
  });
export type Refusal = z.infer<typeof refusal>;
