import { z } from 'zod';
import { CastError } from '../../protocol/errors.js';
import { toolCall } from '../../protocol/model-fields.js';
import { type FinishReason, type Statistics, type Usage } from '../../protocol/usage.js';
import { isObject, type JsonObject, number, text } from '../decoding/json.js';
import { NdjsonDecoder } from '../decoding/ndjson-decoder.js';
import { WholeCharacters } from '../decoding/characters.js';

/** Longest time stamp that is passed on. */
const TIME_CHARS = 40;
const toolCalls = z.array(toolCall);

/**
 * Reads the answer of `/api/generate` or `/api/chat`: NDJSON, or the one object of a load. Strict: a
 * line that is not what Ollama documents is `upstream_protocol_error`, because a skipped line is
 * lost text. Fields it does not know are dropped, `context` among them.
 */
export class OllamaDecoder extends NdjsonDecoder {
  private readonly text = new WholeCharacters();
  private readonly thinking = new WholeCharacters();
  private calledTools = false;

  protected override read(said: JsonObject): void {
    const createdAt = timeOf(text(said['created_at']));
    const done = said['done'] ?? false;
    const message = said['message'] ?? {};
    if (!isObject(message) || typeof done !== 'boolean') {
      throw new CastError('upstream_protocol_error');
    }
    this.tell('thinking', text(said['thinking']) + text(message['thinking']), done, createdAt);
    this.tell('text', text(said['response']) + text(message['content']), done, createdAt);

    const called = message['tool_calls'] ?? said['tool_calls'] ?? undefined;
    if (called !== undefined) this.tellCalls(called, createdAt);
    if (!done) return;
    this.done = true;
    const reason = finishReason(said['done_reason'], this.calledTools);
    const statistics = pickStatistics(said);
    this.parts.push({ type: 'done', reason, usage: usage(statistics), statistics, createdAt });
  }

  private tell(type: 'thinking' | 'text', piece: string, done: boolean, createdAt: string): void {
    if (piece === '' && !done) return;
    const held = this[type];
    const whole = held.push(piece) + (done ? held.end() : '');
    if (whole !== '') this.parts.push({ type, text: whole, createdAt });
  }

  private tellCalls(called: unknown, createdAt: string): void {
    const calls = toolCalls.safeParse(called);
    if (!calls.success) throw new CastError('upstream_protocol_error');
    if (calls.data.length === 0) return;
    this.calledTools = true;
    this.parts.push({ type: 'tool_calls', calls: calls.data, createdAt });
  }
}

/** RFC 3339 as the upstream wrote it; ours where it wrote none. */
function timeOf(said: string): string {
  return said !== '' && said.length <= TIME_CHARS ? said : new Date().toISOString();
}

function finishReason(said: unknown, calledTools: boolean): FinishReason {
  switch (said) {
    case 'stop':
      // Ollama says `stop` for tool calls too.
      return calledTools ? 'tool_calls' : 'stop';
    case 'length':
    case 'load':
    case 'unload':
      return said;
    default:
      return 'unknown';
  }
}

const STATISTICS = [
  'total_duration',
  'load_duration',
  'prompt_eval_count',
  'prompt_eval_duration',
  'eval_count',
  'eval_duration',
] as const satisfies readonly (keyof Statistics)[];

function pickStatistics(said: JsonObject): Statistics {
  const picked: Statistics = {};
  for (const name of STATISTICS) {
    const value = number(said[name]);
    if (value !== undefined) picked[name] = value;
  }
  return picked;
}

/** Ollama leaves out a count that is zero, but never both of an answer. */
function usage({ prompt_eval_count, eval_count }: Statistics): Usage {
  if (prompt_eval_count === undefined && eval_count === undefined) return null;
  return { promptTokens: prompt_eval_count ?? 0, completionTokens: eval_count ?? 0 };
}
