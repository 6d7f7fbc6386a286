import { z } from 'zod';
import { EXAMPLE_ID } from './examples.js';
import { generationId } from './ids.js';

export const generationState = z
  .enum([
    'queued',
    'starting',
    'streaming',
    'cancelling',
    'completed',
    'cancelled',
    'failed',
    'interrupted',
  ])
  .meta({
    id: 'GenerationState',
    description: '`queued → starting → streaming → (cancelling) →` one of the last four.',
    examples: ['streaming'],
  });
export type GenerationState = z.infer<typeof generationState>;

export const position = z
  .int()
  .min(1)
  .optional()
  .describe('While queued: the place in the line; 1 is next.');

export const etaMs = z
  .int()
  .min(0)
  .optional()
  .describe('While queued: guess of the time until its turn, from recent durations.');

export const streamState = z
  .object({
    generationId,
    state: generationState,
    position,
    etaMs,
    upstream: z.string().optional().describe('Name of the upstream that was asked.'),
    attempt: z
      .int()
      .min(2)
      .optional()
      .describe('From the second attempt on: an upstream failed before the first record.'),
  })
  .meta({
    id: 'StreamState',
    description:
      'Sent when something of it changes, and at least every 15 s while the upstream is silent.',
    examples: [
      { generationId: EXAMPLE_ID, state: 'queued', position: 2, etaMs: 4800 },
      { generationId: EXAMPLE_ID, state: 'starting', upstream: 'ollama-2', attempt: 2 },
    ],
  });
export type StreamState = z.infer<typeof streamState>;
