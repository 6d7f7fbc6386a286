import type { End, Entry, Said } from '../../generations/log/entry.js';
import { type ErrorLine, errorLine } from './error-line.js';
import { refusedByEnd } from '../refused.js';
import type { ToolCall } from '../../protocol/model-fields.js';
import type { Statistics } from '../../protocol/usage.js';

/** What of a generation the lines name. */
export interface Named {
  readonly endpoint: 'generate' | 'chat' | 'pull';
  readonly model: string;
}

/** What one piece of an answer says; `content` is empty where it says something else. */
interface Piece {
  content: string;
  thinking?: string;
  tool_calls?: ToolCall[];
}

interface Answer extends Statistics {
  model: string;
  /** RFC 3339. */
  created_at: string;
  done: boolean;
  done_reason?: string;
}

/** A line of `/api/chat`. */
interface ChatLine extends Answer {
  message: Piece & { role: 'assistant' };
}

/** A line of `/api/generate`. */
interface GenerateLine extends Answer {
  response: string;
  thinking?: string;
  tool_calls?: ToolCall[];
}

/** What a line has while the generation waits. */
interface Waiting {
  queue: { position: number; etaMs: number | undefined };
}

export type OllamaLine = ChatLine | GenerateLine | ErrorLine;

/** Nanoseconds in a millisecond: Ollama counts its durations in those. */
const NS_PER_MS = 1_000_000;

/**
 * Says the entries of one log as the lines of Ollama's API (docs/api.md there). The lines of the first
 * n entries never change when more come. Only the end of the log makes the line with `done: true`, or
 * the error.
 */
export class LineRenderer {
  private last: Said<'done'> | undefined;
  private createdAt = '';

  constructor(private readonly named: Named) {}

  /** @param entry the next one; not merged */
  lines({ said }: Entry): OllamaLine[] {
    if (said.type === 'end') return [this.end(said)];
    this.createdAt = said.createdAt;
    switch (said.type) {
      case 'text':
      // A refusal is what the model answers; Ollama has no field for it.
      case 'refusal':
        return [this.piece({ content: said.text })];
      case 'thinking':
        return [this.piece({ content: '', thinking: said.text })];
      case 'tool_calls':
        return [this.piece({ content: '', tool_calls: said.calls })];
      case 'done':
        this.last = said;
        return [];
      case 'progress':
        return [];
      default:
        return said satisfies never;
    }
  }

  /**
   * A line with an empty text and the place in the waiting line. It is none of the answer's lines.
   * @param now RFC 3339
   */
  waiting(position: number, etaMs: number | undefined, now: string): OllamaLine & Waiting {
    return { ...this.piece({ content: '' }, now), queue: { position, etaMs } };
  }

  /** A line that says nothing: some proxies cut a stream that is silent. @param now RFC 3339 */
  silence(now: string): OllamaLine {
    return this.piece({ content: '' }, now);
  }

  private end(end: End): OllamaLine {
    if (end.state !== 'completed') return errorLine(refusedByEnd(end));
    return {
      ...this.piece({ content: '' }),
      done: true,
      // Ollama says so too where the model has called tools.
      done_reason: end.reason === 'tool_calls' ? 'stop' : end.reason,
      ...statisticsOf(end, this.last?.statistics ?? {}),
    };
  }

  private piece({ content, ...more }: Piece, created_at = this.createdAt): ChatLine | GenerateLine {
    const { model, endpoint } = this.named;
    return endpoint === 'chat'
      ? { model, created_at, message: { role: 'assistant', content, ...more }, done: false }
      : { model, created_at, response: content, ...more, done: false };
  }
}

/** Ollama's numbers; of another kind of server those that are known. */
function statisticsOf(
  { usage, timings }: Extract<End, { state: 'completed' }>,
  said: Statistics,
): Statistics {
  const { totalMs, loadMs } = timings;
  return {
    ...(totalMs !== null && { total_duration: Math.round(totalMs * NS_PER_MS) }),
    ...(loadMs !== null && { load_duration: Math.round(loadMs * NS_PER_MS) }),
    ...(usage !== null && {
      prompt_eval_count: usage.promptTokens,
      eval_count: usage.completionTokens,
    }),
    ...said,
  };
}
