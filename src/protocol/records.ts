import { z } from 'zod';
import { EXAMPLE_ID, EXAMPLE_TIME } from './examples.js';
import { toolCall } from './model-fields.js';
import { statistics } from './usage.js';
import { terminalRecord } from './terminal-record.js';
import { envelope } from './record-envelope.js';

const chunkEnvelope = {
  ...envelope,
  model: z.string(),
  created_at: z.string().describe("RFC 3339, the upstream's clock."),
};
const chunkExample = {
  generationId: EXAMPLE_ID,
  seq: 1,
  model: 'llama3.2',
  created_at: EXAMPLE_TIME,
};

export const generateChunk = z
  .object({
    ...chunkEnvelope,
    response: z.string(),
    thinking: z.string().optional(),
    refusal: z.string().optional(),
    tool_calls: z.array(toolCall).optional(),
    done: z.literal(false),
  })
  .meta({
    id: 'GenerateChunk',
    description:
      'A piece of the answer to a generate request. With `from` it is several pieces merged into one: ' +
      'after a reconnect, or for a client that fell behind.',
    examples: [
      { ...chunkExample, response: 'The', done: false },
      { ...chunkExample, seq: 9, from: 2, response: ' sky is blue because', done: false },
      { ...chunkExample, response: '', thinking: 'Rayleigh', done: false },
    ],
  });
export const chatChunk = z
  .object({
    ...chunkEnvelope,
    message: z.object({
      role: z.literal('assistant'),
      content: z.string(),
      thinking: z.string().optional(),
      refusal: z.string().optional().describe('Where the model declines, in its words.'),
      tool_calls: z.array(toolCall).optional(),
    }),
    done: z.literal(false),
  })
  .meta({
    id: 'ChatChunk',
    description:
      'A piece of the answer to a chat. With `from` it is several pieces merged into one: after a ' +
      'reconnect, or for a client that fell behind.',
    examples: [
      { ...chunkExample, message: { role: 'assistant', content: 'The' }, done: false },
      {
        ...chunkExample,
        seq: 9,
        from: 2,
        message: { role: 'assistant', content: ' sky is blue because' },
        done: false,
      },
      {
        ...chunkExample,
        message: {
          role: 'assistant',
          content: '',
          tool_calls: [{ function: { name: 'weather', arguments: { city: 'Oslo' } } }],
        },
        done: false,
      },
    ],
  });

const lastChunk = { done: z.literal(true), done_reason: z.string(), ...statistics.shape };
const lastChunkExample = {
  ...chunkExample,
  seq: 41,
  done: true,
  done_reason: 'stop',
  total_duration: 2_410_000_000,
  load_duration: 40_000_000,
  prompt_eval_count: 11,
  prompt_eval_duration: 90_000_000,
  eval_count: 40,
  eval_duration: 2_200_000_000,
};
export const generateLastChunk = generateChunk
  .omit({ done: true })
  .extend(lastChunk)
  .meta({
    id: 'GenerateLastChunk',
    description:
      "The last chunk of a generate request, with the upstream's statistics (durations in nanoseconds).",
    examples: [{ ...lastChunkExample, response: '' }],
  });
export const chatLastChunk = chatChunk
  .omit({ done: true })
  .extend(lastChunk)
  .meta({
    id: 'ChatLastChunk',
    description:
      "The last chunk of a chat, with the upstream's statistics (durations in nanoseconds).",
    examples: [{ ...lastChunkExample, message: { role: 'assistant', content: '' } }],
  });

const layer = { digest: z.string(), total: z.number(), completed: z.number() };
export const pullChunk = z
  .object({
    ...chunkEnvelope,
    status: z.string(),
    ...z.object(layer).partial().shape,
    done: z.literal(false),
  })
  .meta({
    id: 'PullChunk',
    description:
      "Progress of a model pull, in Ollama's words; `completed` of `total` bytes of one layer. " +
      'At most four a second for each layer.',
    examples: [
      {
        ...chunkExample,
        status: 'pulling aabbccddeeff',
        digest: 'sha256:aabbccddeeff',
        total: 100,
        completed: 40,
        done: false,
      },
    ],
  });
export const pullLastChunk = z
  .object({ ...chunkEnvelope, status: z.literal('success'), ...lastChunk })
  .meta({
    id: 'PullLastChunk',
    description: 'The model is there.',
    examples: [{ ...chunkExample, seq: 41, status: 'success', done: true, done_reason: 'success' }],
  });

export const streamRecord = z
  .union([
    generateChunk,
    chatChunk,
    pullChunk,
    generateLastChunk,
    chatLastChunk,
    pullLastChunk,
    terminalRecord,
  ])
  .meta({
    id: 'StreamRecord',
    description:
      'One record of a generation. Ignore fields that you do not know. Apply it if `from ?? seq` ' +
      'follows the last applied seq, drop it if its seq was applied, otherwise `join` again.',
  });
export type StreamRecord = z.infer<typeof streamRecord>;
