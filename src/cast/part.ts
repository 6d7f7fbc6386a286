import type { ToolCall } from '../protocol/model-fields.js';
import type { FinishReason, Statistics, Usage } from '../protocol/usage.js';

/** What an upstream says, one thing at a time, in the same words for every kind of upstream. */
export type Part =
  | { type: 'text' | 'thinking' | 'refusal'; text: string; createdAt: string }
  | { type: 'tool_calls'; calls: ToolCall[]; createdAt: string }
  | {
      type: 'progress';
      status: string;
      /** The layer it is about, and how many of its bytes have come. */
      digest: string | null;
      total: number | null;
      completed: number | null;
      createdAt: string;
    }
  | {
      type: 'done';
      /** What the upstream calls the model that has answered. */
      model?: string | undefined;
      reason: FinishReason;
      usage: Usage;
      statistics: Statistics;
      createdAt: string;
    };
