import { z } from 'zod';
import { EXAMPLE_CLIENT, EXAMPLE_ID } from './examples.js';
import { clientId, generationId } from './ids.js';
import { etaMs, generationState, position } from './stream-state.js';
import {
  cancelledRecord,
  completedRecord,
  failedRecord,
  interruptedRecord,
} from './terminal-record.js';
import { timings, usage } from './usage.js';

export const startedExample = {
  generationId: EXAMPLE_ID,
  state: 'queued',
  position: 2,
  etaMs: 4800,
};
export const started = z
  .object({
    status: z.literal('Streaming started'),
    generationId,
    clientId,
    model: z.string(),
    state: generationState,
    position,
    etaMs,
    deduplicated: z
      .literal(true)
      .optional()
      .describe('The idempotency key was known: this is the generation that it started.'),
  })
  .meta({
    id: 'Started',
    description: 'The generation is accepted; its records go to the client.',
    examples: [
      {
        status: 'Streaming started',
        clientId: EXAMPLE_CLIENT,
        model: 'llama3.2',
        ...startedExample,
      },
    ],
  });
export type Started = z.infer<typeof started>;

const viewFields = z.object({
  generationId,
  model: z.string(),
  text: z.string(),
  thinking: z.string(),
  refusal: z.string().optional().describe('What the model said where it declined.'),
  seq: z.int().min(0).describe('Last appended record; 0 before the first.'),
  timings,
  usage,
});
const viewExample = {
  generationId: EXAMPLE_ID,
  model: 'llama3.2',
  text: 'The sky is',
  thinking: '',
  seq: 3,
  timings: { queuedMs: 0, loadMs: null, firstTokenMs: 210, totalMs: null, tokensPerSecond: null },
  usage: null,
};
const runningView = z
  .object({
    ...viewFields.shape,
    state: generationState,
    position,
  })
  .meta({
    id: 'RunningView',
    description: 'A generation that goes on: it has no terminal record yet.',
    examples: [{ ...viewExample, state: 'streaming' }],
  });
/** What its terminal record says, and the view's own fields. */
const endedView = <Shape extends z.ZodRawShape>(id: string, record: z.ZodObject<Shape>) => {
  const { id: name, examples = [] } = record.meta() ?? {};
  const [example] = examples as object[];
  return z.object({ ...record.shape, ...viewFields.shape }).meta({
    id,
    description: `A generation that is over, with the fields of its ${name}.`,
    examples: [{ ...example, ...viewExample }],
  });
};
export const generationView = z
  // Generated clients take the first that fits: the one that asks for least is last.
  .union([
    endedView('CompletedView', completedRecord),
    endedView('CancelledView', cancelledRecord),
    endedView('FailedView', failedRecord),
    endedView('InterruptedView', interruptedRecord),
    runningView,
  ])
  .meta({
    id: 'GenerationView',
    description: "A generation as it is now; after its end also the terminal record's fields.",
    examples: [{ ...viewExample, state: 'streaming' }],
  });
export type GenerationView = z.infer<typeof generationView>;

export const queueView = z
  .object({
    waiting: z.int(),
    maxWaiting: z.int(),
    upstreams: z.array(
      z.object({ name: z.string(), running: z.int(), slots: z.int(), waiting: z.int() }),
    ),
  })
  .meta({
    id: 'QueueView',
    description: 'How many generations run and wait; counts only.',
    examples: [
      {
        waiting: 2,
        maxWaiting: 100,
        upstreams: [{ name: 'ollama', running: 1, slots: 1, waiting: 2 }],
      },
    ],
  });
export type QueueView = z.infer<typeof queueView>;

const upstreamHealth = z.object({
  name: z.string(),
  reachable: z.boolean(),
  circuit: z
    .enum(['closed', 'open'])
    .describe('Open: it failed lately, and is left alone while another can serve.'),
});
export const readiness = z
  .object({
    status: z.enum(['ok', 'draining', 'no_upstream', 'no_store']),
    upstreams: z
      .array(upstreamHealth)
      .describe('Empty while draining, and for callers without the credential that others need.'),
  })
  .meta({
    id: 'Readiness',
    description: 'Whether requests should come here; 503 where `status` is not `ok`.',
    examples: [
      { status: 'ok', upstreams: [{ name: 'ollama', reachable: true, circuit: 'closed' }] },
    ],
  });
export type UpstreamHealth = z.infer<typeof upstreamHealth>;
export type Readiness = z.infer<typeof readiness>;

export const modelList = z
  .object({
    models: z.array(
      z.object({
        name: z.string(),
        upstream: z.string().describe('Name of the upstream that serves it, never its address.'),
        size: z.number().nullable().describe('Bytes on disk.'),
        contextLength: z
          .number()
          .nullable()
          .describe('Tokens that are in force; null where it is not loaded, or nobody says.'),
        maxContextLength: z
          .number()
          .nullable()
          .describe('Most tokens that the model can take; null where nobody says.'),
        capabilities: z.array(z.string()),
        loaded: z.boolean(),
      }),
    ),
  })
  .meta({
    id: 'ModelList',
    description: 'The models of all upstreams.',
    examples: [
      {
        models: [
          {
            name: 'llama3.2:latest',
            upstream: 'ollama',
            size: 2_019_393_189,
            contextLength: 8192,
            maxContextLength: 131_072,
            capabilities: ['completion', 'tools'],
            loaded: true,
          },
        ],
      },
    ],
  });
export type ModelList = z.infer<typeof modelList>;

export const version = z.object({ version: z.string() }).meta({
  id: 'Version',
  description: "The upstream's version, as Ollama gives it.",
  examples: [{ version: '0.33.0' }],
});
export type Version = z.infer<typeof version>;

export const liveness = z.object({ status: z.literal('ok') }).meta({
  id: 'Liveness',
  description: 'The process answers.',
  examples: [{ status: 'ok' }],
});
export type Liveness = z.infer<typeof liveness>;

export const metricsText = z.string().meta({
  id: 'MetricsText',
  description: 'In the text format of Prometheus, version 0.0.4.',
  examples: ['llm_cast_queue_depth{upstream="ollama"} 2\n'],
});
