/**
 * The wire contract: every shape that enters or leaves llm-cast, stated once.
 * Requests are strict (an unknown field is refused); clients must ignore unknown fields in records.
 */
import { z } from 'zod';
import { MAX_TOKEN_CHARS } from './access.js';
import { EXAMPLE_CLIENT, EXAMPLE_ID } from './examples.js';
import { clientId, generationId, idempotencyKey, traceparent } from './ids.js';
import { chatFields, generateFields, modelName } from './model-fields.js';

const promptExample = { model: 'llama3.2', prompt: 'Why is the sky blue?' };
const chatExample = {
  messages: [
    { role: 'system', content: 'Answer in one sentence.' },
    { role: 'user', content: 'Why is the sky blue?' },
  ],
  options: { temperature: 0.2 },
};

export const generateRequest = generateFields
  .extend({ idempotencyKey: idempotencyKey.optional(), trace: traceparent.optional() })
  .meta({
    id: 'GenerateRequest',
    description: 'What the model is to go on from. An empty prompt loads the model.',
    examples: [promptExample],
  });
export const chatRequest = chatFields
  .extend({ idempotencyKey: idempotencyKey.optional(), trace: traceparent.optional() })
  .meta({
    id: 'ChatRequest',
    description: 'The conversation so far. Empty messages load the model.',
    examples: [{ ...chatExample, idempotencyKey: '4f9c2a54-question-17' }],
  });
export const generateBody = generateFields.extend({ clientId }).meta({
  id: 'GenerateBody',
  description: 'What the model is to go on from, and who receives it. An empty prompt loads it.',
  examples: [
    { clientId: EXAMPLE_CLIENT, ...promptExample },
    { prompt: 'Why is the sky blue?', onDisconnect: 'keep' },
  ],
});
export const chatBody = chatFields.extend({ clientId }).meta({
  id: 'ChatBody',
  description: 'The conversation so far, and who receives its next message.',
  examples: [{ clientId: EXAMPLE_CLIENT, ...chatExample }, chatExample],
});

export const pullBody = z
  .strictObject({ clientId: z.string().min(1).max(64), model: modelName })
  .meta({
    id: 'PullBody',
    description: 'Which model Ollama is to pull, and who sees the progress.',
    examples: [{ clientId: EXAMPLE_CLIENT, model: 'llama3.2' }],
  });
export const sendMessageRequest = z
  .strictObject({
    user_id: z.string().min(1),
    user_content: z.string(),
    system_content: z.string().optional(),
    temperature: z.number().optional(),
    idempotencyKey: idempotencyKey.optional(),
    trace: traceparent.optional(),
  })
  .meta({
    id: 'SendMessageRequest',
    description: 'A chat whose records go to every socket of that user, who must be who asks.',
    examples: [
      {
        user_id: 'ada',
        user_content: 'Why is the sky blue?',
        system_content: 'Answer in one sentence.',
        temperature: 0.2,
      },
    ],
  });

export const generationRef = z.strictObject({ generationId }).meta({
  id: 'GenerationRef',
  description: 'Which generation is meant.',
  examples: [{ generationId: EXAMPLE_ID }],
});
export const joinRequest = z
  .strictObject({
    generationId,
    after: z.int().min(0),
    token: z.string().min(1).max(MAX_TOKEN_CHARS).optional().describe('A link to this generation.'),
  })
  .meta({
    id: 'JoinRequest',
    description: 'Asks for the records with seq > `after` (0 = all), then those to come.',
    examples: [{ generationId: EXAMPLE_ID, after: 17 }],
  });

/** Longest time that a report may tell of, in milliseconds: a day. */
const MAX_LAG_MS = 86_400_000;
/** Most cuts and resumes that a report may tell of. */
const MAX_CUTS = 1_000_000;
const lagMs = z.number().min(0).max(MAX_LAG_MS);

export const reportRequest = z
  .strictObject({
    generationId,
    medianMs: lagMs.describe('How long after they were made half of the records were applied.'),
    p95Ms: lagMs.describe('The same of 95 of 100 records.'),
    cuts: z.int().min(0).max(MAX_CUTS).describe('How often the connection was lost meanwhile.'),
    resumes: z.int().min(0).max(MAX_CUTS).describe('How often it went on after that.'),
    whole: z.boolean().describe('Whether the text matches `bytes` and `sha256` of the end.'),
  })
  .meta({
    id: 'ReportRequest',
    description: 'What the user felt of an answer that is over. Numbers only.',
    examples: [
      {
        generationId: EXAMPLE_ID,
        medianMs: 12.5,
        p95Ms: 41,
        cuts: 1,
        resumes: 1,
        whole: true,
      },
    ],
  });

export type ReportRequest = z.infer<typeof reportRequest>;
export type GenerateRequest = z.infer<typeof generateRequest>;
export type ChatRequest = z.infer<typeof chatRequest>;
export type GenerateBody = z.infer<typeof generateBody>;
export type ChatBody = z.infer<typeof chatBody>;
export type GenerationRef = z.infer<typeof generationRef>;
export type JoinRequest = z.infer<typeof joinRequest>;
export type PullBody = z.infer<typeof pullBody>;
export type SendMessageRequest = z.infer<typeof sendMessageRequest>;
