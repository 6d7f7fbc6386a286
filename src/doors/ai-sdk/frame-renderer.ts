import type { End, Entry, TextKind } from '../../generations/log/entry.js';
import type { ToolCall } from '../../protocol/model-fields.js';
import type { FinishReason } from '../../protocol/usage.js';
import { refusedByEnd } from '../refused.js';
import { errorText } from './error-text.js';
import type { EndMetadata, Frame } from './frame.js';

/** How the AI SDK calls a finish reason; what is not here is `other`. */
const FINISH: Partial<Record<FinishReason, 'stop' | 'length' | 'content-filter' | 'tool-calls'>> = {
  stop: 'stop',
  length: 'length',
  content_filter: 'content-filter',
  tool_calls: 'tool-calls',
};

/**
 * Says the entries of one log as frames of a UI message stream. The frames of the first n entries never
 * change when more come, so a client that has k frames resumes at the k-th. `[DONE]` is no frame.
 */
export class FrameRenderer {
  /** The kind and the id of the text that goes on. */
  private open: { kind: TextKind; id: string } | undefined;
  private texts = 0;
  private calls = 0;

  /** @param messageId of the message that the client makes, or goes on with */
  constructor(
    private readonly generationId: string,
    private readonly messageId: string,
  ) {}

  /** What stands before the first entry. */
  beginning(): Frame[] {
    const { generationId, messageId } = this;
    return [
      { type: 'start', messageId, messageMetadata: { generationId } },
      { type: 'start-step' },
    ];
  }

  /** @param entry the next one; not merged */
  frames({ said }: Entry): Frame[] {
    switch (said.type) {
      case 'text':
      case 'thinking':
      case 'refusal':
        return this.text(said.type, said.text);
      case 'tool_calls':
        return [...this.close(), ...said.calls.flatMap((call) => this.call(call))];
      case 'end':
        return [...this.close(), ...this.end(said)];
      case 'progress':
      case 'done':
        return [];
      default:
        return said satisfies never;
    }
  }

  private text(kind: TextKind, text: string): Frame[] {
    const frames: Frame[] = [];
    if (this.open?.kind !== kind) {
      frames.push(...this.close());
      this.open = { kind, id: `${wordOf(kind)}-${++this.texts}` };
      frames.push({
        type: `${wordOf(kind)}-start`,
        id: this.open.id,
        ...(kind === 'refusal' && { providerMetadata: { 'llm-cast': { refusal: true } } }),
      });
    }
    frames.push({ type: `${wordOf(kind)}-delta`, id: this.open.id, delta: text });
    return frames;
  }

  /** Ends the text that goes on. */
  private close(): Frame[] {
    if (this.open === undefined) return [];
    const { kind, id } = this.open;
    this.open = undefined;
    return [{ type: `${wordOf(kind)}-end`, id }];
  }

  private call({ id, function: { name, arguments: input } }: ToolCall): Frame[] {
    const toolCallId = id ?? `call-${this.generationId}-${this.calls}`;
    this.calls++;
    return [
      { type: 'tool-input-start', toolCallId, toolName: name },
      { type: 'tool-input-delta', toolCallId, inputTextDelta: JSON.stringify(input) },
      { type: 'tool-input-available', toolCallId, toolName: name, input },
    ];
  }

  private end(end: End): Frame[] {
    const messageMetadata = metadataOf(end);
    switch (end.state) {
      case 'completed': {
        const finishReason = FINISH[end.reason] ?? 'other';
        return [{ type: 'finish-step' }, { type: 'finish', finishReason, messageMetadata }];
      }
      case 'cancelled':
        // An `abort` alone would leave the client with a short answer that looks whole.
        return [
          { type: 'finish-step' },
          { type: 'finish', finishReason: 'other', messageMetadata },
          { type: 'abort' },
        ];
      case 'failed':
      case 'interrupted':
        // The workflow transport asks on until it has a `finish`, and what stands behind that may be lost.
        return [
          { type: 'message-metadata', messageMetadata },
          { type: 'error', errorText: errorText(refusedByEnd(end)) },
          { type: 'finish', finishReason: 'error', messageMetadata },
        ];
      default:
        return end satisfies never;
    }
  }
}

function wordOf(kind: TextKind): 'text' | 'reasoning' {
  return kind === 'thinking' ? 'reasoning' : 'text';
}

function metadataOf(end: End): EndMetadata {
  const { bytes, sha256 } = end;
  switch (end.state) {
    case 'completed':
      return { state: 'completed', bytes, sha256, usage: end.usage, timings: end.timings };
    case 'cancelled': {
      const { reason, upstreamClosedMs } = end;
      return { state: 'cancelled', reason, upstreamClosedMs, bytes, sha256 };
    }
    case 'failed':
    case 'interrupted': {
      const { state, code, detail, retryable, retryAfterMs } = end;
      const advice = retryAfterMs === undefined ? {} : { retryAfterMs };
      return { state, code, detail, retryable, ...advice, bytes, sha256 };
    }
    default:
      return end satisfies never;
  }
}
