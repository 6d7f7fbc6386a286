import { z } from 'zod';
import { EXAMPLE_ID } from './examples.js';

/** `traceparent` of version 00 (W3C Trace Context, section 3.2). */
export const traceparent = z
  .string()
  .regex(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/)
  .meta({
    id: 'Traceparent',
    description:
      'The trace that the request belongs to, as a W3C `traceparent`. Over REST it is the header.',
    examples: ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
  });

/** Most characters of an idempotency key. */
const IDEMPOTENCY_KEY_CHARS = 255;

export const idempotencyKey = z
  .string()
  .min(1)
  .max(IDEMPOTENCY_KEY_CHARS)
  .meta({
    id: 'IdempotencyKey',
    description:
      'The same key with the same request starts nothing anew. Over REST it is `Idempotency-Key`.',
    examples: ['4f9c2a54-question-17'],
  });

export const generationId = z
  .string()
  .regex(/^[\w-]{22}(?:[\w-]{8})?$/, 'not a generation id')
  .meta({
    id: 'GenerationId',
    description:
      'Names a generation, unguessably: 122 random bits in base64url, and on one of several nodes ' +
      'the 8 characters of that node.',
    examples: [EXAMPLE_ID],
  });
export const lastEventId = z
  .int()
  .min(0)
  .meta({
    id: 'LastEventId',
    description: 'The seq of the last record that the caller has; the stream goes on behind it.',
    examples: [17],
  });
export const clientId = z
  .string()
  .min(1)
  .max(64)
  .optional()
  .describe(
    'Socket.IO id of the connected client (namespace `/events`) that is to receive the records. ' +
      'May be left out by callers that take the answer as `text/event-stream`, and with ' +
      '`onDisconnect: "keep"`, by callers that read over SSE or GET later.',
  );
