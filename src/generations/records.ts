import type { Part } from '../cast/part.js';
import type { ToolCall } from '../protocol/model-fields.js';
import type { StreamRecord } from '../protocol/records.js';

/** Kinds of text that neighbouring records of can be merged. */
export type TextKind = Extract<Part, { text: string }>['type'];
type PartOf<Type extends Part['type']> = Extract<Part, { type: Type }>;

/**
 * Builds the records of one generation, in the shape of its endpoint, from an allow-list of fields.
 * Each record is one literal: a spread here cost 15 % of the CPU of a token
 * (`reference/log-notes.md`).
 */
export class Records {
  constructor(
    private readonly generationId: string,
    private readonly model: string,
    private readonly endpoint: 'generate' | 'chat' | 'pull',
  ) {}

  /** @param from first seq that the text covers, if that is not `seq` */
  text(seq: number, kind: TextKind, text: string, createdAt: string, from?: number): StreamRecord {
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
    if (from !== undefined) record.from = from;
    return record;
  }

  toolCalls(seq: number, calls: ToolCall[], createdAt: string): StreamRecord {
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

  progress(seq: number, part: PartOf<'progress'>): StreamRecord {
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

  last(seq: number, { reason, statistics, createdAt }: PartOf<'done'>): StreamRecord {
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
