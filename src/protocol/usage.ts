import { z } from 'zod';

export const finishReason = z
  .enum(['stop', 'length', 'tool_calls', 'content_filter', 'load', 'unload', 'success', 'unknown'])
  .meta({ id: 'FinishReason', description: 'Why the answer is over.', examples: ['stop'] });
export type FinishReason = z.infer<typeof finishReason>;

/** Ollama's own numbers for one answer; durations in nanoseconds. Absent where it sends none. */
export const statistics = z
  .object({
    total_duration: z.number(),
    load_duration: z.number(),
    prompt_eval_count: z.number(),
    prompt_eval_duration: z.number(),
    eval_count: z.number(),
    eval_duration: z.number(),
  })
  .partial();
export type Statistics = z.infer<typeof statistics>;

export const usage = z
  .object({ promptTokens: z.number(), completionTokens: z.number() })
  .nullable()
  .meta({
    id: 'Usage',
    description: 'Tokens read and written; null where the upstream does not say.',
    examples: [{ promptTokens: 11, completionTokens: 40 }, null],
  });
export type Usage = z.infer<typeof usage>;

export const timings = z
  .object({
    queuedMs: z.number(),
    loadMs: z.number().nullable().describe('Time the upstream took to load the model.'),
    firstTokenMs: z.number().nullable(),
    totalMs: z.number().nullable(),
    tokensPerSecond: z.number().nullable(),
  })
  .meta({
    id: 'Timings',
    description: 'Milliseconds since the request was accepted, and speed; null where unknown.',
    examples: [
      { queuedMs: 0, loadMs: 40, firstTokenMs: 210, totalMs: 2410, tokensPerSecond: 18.2 },
    ],
  });
export type Timings = z.infer<typeof timings>;
