import type { Generation } from '../generations/generation.js';
import type { End, Entry, Said, TextKind } from '../generations/log/entry.js';
import type { ToolCall } from '../protocol/model-fields.js';
import type { StreamRecord } from '../protocol/records.js';
import type { TerminalRecord } from '../protocol/terminal-record.js';

/**
 * Says the entries of one generation as the records of our own protocol (docs/protocol.md), in the
 * shape of its endpoint, from an allow-list of fields. What it makes of an entry depends on that
 * entry only. Each record is one literal: a spread here cost 15 % of the CPU of a token
 * (docs/decisions).
 */
export class RecordRenderer {
  private readonly generationId: string;
  private readonly model: string;
  private readonly endpoint: Generation['endpoint'];

  constructor({ id, model, endpoint }: Pick<Generation, 'id' | 'model' | 'endpoint'>) {
    this.generationId = id;
    this.model = model;
    this.endpoint = endpoint;
  }

  render({ seq, from, said }: Entry): StreamRecord {
    switch (said.type) {
      case 'text':
      case 'thinking':
      case 'refusal':
        return this.text(seq, said.type, said.text, said.createdAt, from);
      case 'tool_calls':
        return this.toolCalls(seq, said.calls, said.createdAt);
      case 'progress':
        return this.progress(seq, said);
      case 'done':
        return this.last(seq, said);
      case 'end': {
        const record = this.terminal(seq, said);
        return from === seq ? record : { ...record, from };
      }
      default:
        return said satisfies never;
    }
  }

  /** The last record of a generation. */
  terminal(seq: number, said: End): TerminalRecord {
    const { generationId } = this;
    const { bytes, sha256 } = said;
    switch (said.state) {
      case 'completed':
        return {
          generationId,
          seq,
          message: 'Streaming completed',
          state: 'completed',
          finishReason: said.reason,
          usage: said.usage,
          timings: said.timings,
          bytes,
          sha256,
        };
      case 'cancelled':
        return {
          generationId,
          seq,
          message: 'Streaming cancelled',
          state: 'cancelled',
          reason: said.reason,
          upstreamClosedMs: said.upstreamClosedMs,
          bytes,
          sha256,
        };
      case 'failed':
      case 'interrupted':
        return {
          generationId,
          seq,
          error: 'Streaming error',
          state: said.state,
          code: said.code,
          detail: said.detail,
          retryable: said.retryable,
          ...(said.retryAfterMs !== undefined && { retryAfterMs: said.retryAfterMs }),
          bytes,
          sha256,
        };
      default:
        return said satisfies never;
    }
  }

  /** @param from first seq that the text covers */
  private text(
    seq: number,
    kind: TextKind,
    text: string,
    createdAt: string,
    from: number,
  ): StreamRecord {
    const { generationId, model } = this;
    const record: StreamRecord =
      this.endpoint === 'chat'
        ? {
            generationId,
            seq,
            model,
            created_at: createdAt,
            message:
              kind === 'text'
                ? { role: 'assistant', content: text }
                : { role: 'assistant', content: '', [kind]: text },
            done: false,
          }
        : kind === 'text'
          ? { generationId, seq, model, created_at: createdAt, response: text, done: false }
          : {
              generationId,
              seq,
              model,
              created_at: createdAt,
              response: '',
              [kind]: text,
              done: false,
            };
    if (from !== seq) record.from = from;
    return record;
  }

  private toolCalls(seq: number, calls: ToolCall[], createdAt: string): StreamRecord {
    const { generationId, model } = this;
    return this.endpoint === 'chat'
      ? {
          generationId,
          seq,
          model,
          created_at: createdAt,
          message: { role: 'assistant', content: '', tool_calls: calls },
          done: false,
        }
      : {
          generationId,
          seq,
          model,
          created_at: createdAt,
          response: '',
          tool_calls: calls,
          done: false,
        };
  }

  private progress(seq: number, part: Said<'progress'>): StreamRecord {
    const { status, digest, total, completed, createdAt } = part;
    return {
      generationId: this.generationId,
      seq,
      model: this.model,
      created_at: createdAt,
      status,
      ...(digest !== null && { digest }),
      ...(total !== null && { total }),
      ...(completed !== null && { completed }),
      done: false,
    };
  }

  private last(seq: number, { reason, statistics, createdAt }: Said<'done'>): StreamRecord {
    const { generationId, model } = this;
    const created_at = createdAt;
    const end = { done: true as const, done_reason: reason, ...statistics };
    switch (this.endpoint) {
      case 'chat': {
        const message = { role: 'assistant' as const, content: '' };
        return { generationId, seq, model, created_at, message, ...end };
      }
      case 'generate':
        return { generationId, seq, model, created_at, response: '', ...end };
      case 'pull':
        return { generationId, seq, model, created_at, status: 'success', ...end };
      default:
        return this.endpoint satisfies never;
    }
  }
}
