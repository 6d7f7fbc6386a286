import type { Part } from '../cast/cast.service.js';
import type { StreamRecord, ToolCall } from '../protocol.js';

export type TextKind = 'text' | 'thinking';
type DonePart = Extract<Part, { type: 'done' }>;

/**
 * Builds the records of one generation, in the shape of its endpoint, from an allow-list of fields.
 * Each record is one literal: a spread here cost 15 % of the CPU of a token
 * (`reference/log-notes.md`).
 */
export class Records {
  private readonly chat: boolean;

  constructor(
    private readonly generationId: string,
    private readonly model: string,
    endpoint: 'generate' | 'chat',
  ) {
    this.chat = endpoint === 'chat';
  }

  /** @param from first seq that the text covers, if that is not `seq` */
  text(seq: number, kind: TextKind, text: string, createdAt: string, from?: number): StreamRecord {
    const { generationId, model } = this;
    const record: StreamRecord = this.chat
      ? {
          generationId,
          seq,
          model,
          created_at: createdAt,
          message:
            kind === 'text'
              ? { role: 'assistant', content: text }
              : { role: 'assistant', content: '', thinking: text },
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
            thinking: text,
            done: false,
          };
    if (from !== undefined) record.from = from;
    return record;
  }

  toolCalls(seq: number, calls: ToolCall[], createdAt: string): StreamRecord {
    const { generationId, model } = this;
    return this.chat
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

  last(seq: number, { reason, statistics, createdAt }: DonePart): StreamRecord {
    const { generationId, model } = this;
    const end = { done: true as const, done_reason: reason, ...statistics };
    return this.chat
      ? {
          generationId,
          seq,
          model,
          created_at: createdAt,
          message: { role: 'assistant', content: '' },
          ...end,
        }
      : { generationId, seq, model, created_at: createdAt, response: '', ...end };
  }
}
