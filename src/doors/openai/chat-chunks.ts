import type { Generation } from '../../generations/generation.js';
import type { Entry, Said } from '../../generations/log/entry.js';
import { stringifyExact } from '../../protocol/exact-json.js';
import type { ToolCall } from '../../protocol/model-fields.js';
import type { FinishReason, Usage } from '../../protocol/usage.js';
import { refusedByEnd } from '../refused.js';
import { callId } from './call-id.js';
import { errorBody } from './error-body.js';

/** A generation, as far as its chunks say it. */
export type ChatFacts = Pick<Generation, 'id' | 'model' | 'createdAt'>;

const DONE = 'data: [DONE]\n\n';

/**
 * Says the entries of one generation as the chunks of a streamed chat completion, one SSE event each.
 * A pure function of the log from its first entry on, and prefix-stable.
 */
export class ChatChunks {
  private readonly before: string;
  private readonly after: string;
  private hasBegun = false;
  private calls = 0;
  private usage: Usage = null;

  /** @param withUsage whether the last chunk has the usage (`stream_options.include_usage`) */
  constructor(
    private readonly facts: ChatFacts,
    private readonly withUsage: boolean,
  ) {
    const chunk = JSON.stringify({
      id: completionId(facts),
      object: 'chat.completion.chunk',
      created: Math.floor(facts.createdAt / 1000),
      model: facts.model,
    }).slice(0, -1);
    this.before = `data: ${chunk},"choices":[{"index":0,"delta":`;
    this.after = `}]${withUsage ? ',"usage":null' : ''}}\n\n`;
  }

  /** The events that an entry makes; entries are given in order, from the first on. */
  entry({ said }: Entry): string {
    switch (said.type) {
      case 'text':
        return this.delta(`{"content":${JSON.stringify(said.text)}}`);
      case 'thinking':
        return this.delta(`{"reasoning_content":${JSON.stringify(said.text)}}`);
      case 'refusal':
        return this.delta(`{"refusal":${JSON.stringify(said.text)}}`);
      case 'tool_calls':
        return said.calls.map((call) => this.call(call)).join('');
      case 'done':
        return this.last(said);
      case 'end': {
        const refused = refusedByEnd(said);
        if (refused !== undefined) return `data: ${JSON.stringify(errorBody(refused))}\n\n`;
        return this.usageChunk() + DONE;
      }
      case 'progress':
        return '';
      default:
        return said satisfies never;
    }
  }

  private delta(delta: string, finish: FinishReason | null = null): string {
    const begin = this.hasBegun
      ? ''
      : `${this.before}{"role":"assistant","content":""},"finish_reason":null${this.after}`;
    this.hasBegun = true;
    const reason = finish === null ? 'null' : `"${finishReason(finish)}"`;
    return `${begin}${this.before}${delta},"finish_reason":${reason}${this.after}`;
  }

  private call(call: ToolCall): string {
    const index = this.calls++;
    const whole = { index, ...toolCall(call, this.facts, index) };
    return this.delta(JSON.stringify({ tool_calls: [whole] }));
  }

  private last({ reason, usage }: Said<'done'>): string {
    this.usage = usage;
    return this.delta('{}', reason);
  }

  private usageChunk(): string {
    if (!this.withUsage || this.usage === null) return '';
    const chunk = this.before.slice(0, this.before.indexOf('"choices"'));
    return `${chunk}"choices":[],"usage":${JSON.stringify(usageOf(this.usage))}}\n\n`;
  }
}

export function completionId({ id }: Pick<ChatFacts, 'id'>): string {
  return `chatcmpl-${id}`;
}

/** A tool call with an id, which not every upstream gives it, and its arguments as text. */
export function toolCall(
  { id, function: { name, arguments: given } }: ToolCall,
  facts: Pick<ChatFacts, 'id'>,
  index: number,
) {
  return {
    id: id ?? callId(facts, index),
    type: 'function' as const,
    function: { name, arguments: stringifyExact(given) },
  };
}

/** OpenAI knows four reasons; an answer whose upstream gives no other one has come to its end. */
export function finishReason(
  reason: FinishReason,
): 'stop' | 'length' | 'tool_calls' | 'content_filter' {
  switch (reason) {
    case 'length':
    case 'tool_calls':
    case 'content_filter':
      return reason;
    default:
      return 'stop';
  }
}

export function usageOf({ promptTokens, completionTokens }: NonNullable<Usage>) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}
