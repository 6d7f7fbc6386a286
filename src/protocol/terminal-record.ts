import { z } from 'zod';
import { errorCode } from './errors.js';
import { EXAMPLE_ID } from './examples.js';
import { envelope } from './record-envelope.js';
import { finishReason, timings, usage } from './usage.js';

const proof = {
  bytes: z
    .int()
    .min(0)
    .describe('Of the UTF-8 of all answer text so far; thinking is not part of it.'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('Of the same text: proves that nothing was lost.'),
};
const EXAMPLE_TEXT = {
  bytes: 17,
  sha256: '7a1c3b5f0e2d4968a7b6c5d4e3f20118293a4b5c6d7e8f90a1b2c3d4e5f60718',
};

export const completedRecord = z
  .object({
    ...envelope,
    message: z.literal('Streaming completed'),
    state: z.literal('completed'),
    finishReason,
    usage,
    timings,
    ...proof,
  })
  .meta({
    id: 'CompletedRecord',
    description: 'Terminal: the answer is whole.',
    examples: [
      {
        generationId: EXAMPLE_ID,
        seq: 42,
        message: 'Streaming completed',
        state: 'completed',
        finishReason: 'stop',
        usage: { promptTokens: 11, completionTokens: 40 },
        timings: {
          queuedMs: 0,
          loadMs: 40,
          firstTokenMs: 210,
          totalMs: 2410,
          tokensPerSecond: 18.2,
        },
        ...EXAMPLE_TEXT,
      },
    ],
  });
export const cancelledRecord = z
  .object({
    ...envelope,
    message: z.literal('Streaming cancelled'),
    state: z.literal('cancelled'),
    reason: z.enum(['client', 'abandoned', 'admin']),
    upstreamClosedMs: z
      .number()
      .describe('Milliseconds from the cancel to the end of the upstream request.'),
    ...proof,
  })
  .meta({
    id: 'CancelledRecord',
    description: 'Terminal: somebody cancelled, or nobody read it any more.',
    examples: [
      {
        generationId: EXAMPLE_ID,
        seq: 9,
        message: 'Streaming cancelled',
        state: 'cancelled',
        reason: 'client',
        upstreamClosedMs: 3,
        ...EXAMPLE_TEXT,
      },
    ],
  });
const errorRecord = {
  ...envelope,
  error: z.literal('Streaming error'),
  code: errorCode,
  detail: z.string(),
  retryable: z.boolean(),
  retryAfterMs: z.number().optional(),
  ...proof,
};
const errorExample = {
  generationId: EXAMPLE_ID,
  seq: 9,
  error: 'Streaming error',
  ...EXAMPLE_TEXT,
};
export const failedRecord = z.object({ ...errorRecord, state: z.literal('failed') }).meta({
  id: 'FailedRecord',
  description: 'Terminal: the answer is not whole; `code` says why.',
  examples: [
    {
      ...errorExample,
      state: 'failed',
      code: 'upstream_truncated',
      detail: 'The answer ended before it was complete.',
      retryable: false,
    },
  ],
});
export const interruptedRecord = z
  .object({ ...errorRecord, state: z.literal('interrupted') })
  .meta({
    id: 'InterruptedRecord',
    description: 'Terminal: llm-cast itself went down.',
    examples: [
      {
        ...errorExample,
        state: 'interrupted',
        code: 'node_shutdown',
        detail: 'The server was shut down.',
        retryable: true,
      },
    ],
  });

export const terminalRecord = z
  .discriminatedUnion('state', [completedRecord, cancelledRecord, failedRecord, interruptedRecord])
  .meta({
    id: 'TerminalRecord',
    description:
      'The last record of a generation. A record is terminal if and only if it has `state`.',
  });
export type TerminalRecord = z.infer<typeof terminalRecord>;
