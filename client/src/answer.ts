import type { StreamRecord, ToolCall } from './protocol.js';

/** What the records of a generation say, up to `seq`. */
export interface Answer {
  /** Last applied record; 0 before the first. */
  readonly seq: number;
  readonly text: string;
  readonly thinking: string;
  /** What the model says where it declines. */
  readonly refusal: string;
  readonly toolCalls: readonly ToolCall[];
}

export const EMPTY: Answer = { seq: 0, text: '', thinking: '', refusal: '', toolCalls: [] };

/** A chunk's content, wherever it stands. */
interface Content {
  response?: string;
  content?: string;
  thinking?: string | undefined;
  refusal?: string | undefined;
  tool_calls?: ToolCall[] | undefined;
  status?: string;
}

/**
 * The protocol's rule.
 * @returns the longer answer; `dropped` where the record is in it already; `gap` where one before
 *   it is missing, so that the client must join again after `seq`
 */
export function apply(answer: Answer, record: StreamRecord): Answer | 'dropped' | 'gap' {
  const { seq, from = seq } = record;
  if (seq <= answer.seq) return 'dropped';
  if (from !== answer.seq + 1) return 'gap';
  const { thinking = '', refusal = '', tool_calls = [] } = contentOf(record);
  return {
    seq,
    text: answer.text + textOf(record),
    thinking: answer.thinking + thinking,
    refusal: answer.refusal + refusal,
    toolCalls: tool_calls.length > 0 ? [...answer.toolCalls, ...tool_calls] : answer.toolCalls,
  };
}

/** What one record adds to the text. */
export function textOf(record: StreamRecord): string {
  const { response, content } = contentOf(record);
  return response ?? content ?? '';
}

function contentOf(record: StreamRecord): Content {
  if ('state' in record) return {};
  return 'message' in record ? record.message : record;
}
