import { z } from 'zod';
import { CastError } from '../../protocol/errors.js';
import { parseExact } from '../../protocol/exact-json.js';
import { toolCall } from '../../protocol/model-fields.js';
import { type FinishReason, type Statistics, type Usage } from '../../protocol/usage.js';
import { isObject, type JsonObject, number, text } from '../decoding/json.js';
import { NdjsonDecoder } from '../decoding/ndjson-decoder.js';
import type { Part } from '../part.js';
import { AnswerText } from '../decoding/answer-text.js';

/** Longest time stamp that is passed on. */
const TIME_CHARS = 40;
const toolCalls = z.array(toolCall);

/**
 * Reads the answer of `/api/generate` or `/api/chat`: NDJSON, or the one object of a load. Strict: a
 * line that is not what Ollama documents is `upstream_protocol_error`, because a skipped line is
 * lost text. Fields it does not know are dropped, `context` among them.
 */
export class OllamaDecoder extends NdjsonDecoder {
  private readonly text: AnswerText;
  private calledTools = false;
  /** The last line said that the answer has finished, but not `done`. */
  private finished: LastWord | undefined;
  /** Some line came that did not say so: the server does not say it on each. */
  private sawOpen = false;

  /** @param thinkTags whether thinking inside the text is told apart */
  constructor(maxLineBytes: number, thinkTags = true) {
    super(maxLineBytes);
    this.text = new AnswerText(thinkTags);
  }

  /** Some servers of this kind end with a `done_reason` and without `done`. */
  get isWhole(): boolean {
    return this.sawOpen && this.finished !== undefined;
  }

  override end(into: Part[]): void {
    this.parts = into;
    this.endLines();
    if (this.done) return;
    if (this.finished === undefined) throw new CastError('upstream_truncated');
    this.complete(this.finished, timeOf(''));
  }

  protected override read(said: JsonObject, line: string): void {
    const createdAt = timeOf(text(said['created_at']));
    const done = said['done'] ?? false;
    const message = said['message'] ?? {};
    if (!isObject(message) || typeof done !== 'boolean') {
      throw new CastError('upstream_protocol_error');
    }
    const thinking = text(said['thinking']) + text(message['thinking']);
    this.text.push('thinking', thinking, createdAt, this.parts);
    const answer = text(said['response']) + text(message['content']);
    this.text.push('text', answer, createdAt, this.parts);

    const called = message['tool_calls'] ?? said['tool_calls'] ?? undefined;
    if (called !== undefined) this.tellCalls(exactCalls(line, called), createdAt);
    if (done) return this.complete(lastWord(said), createdAt);
    this.finished = saysFinished(said) ? lastWord(said) : undefined;
    if (this.finished === undefined) this.sawOpen = true;
  }

  private complete({ model, reason, statistics }: LastWord, createdAt: string): void {
    this.text.end(createdAt, this.parts);
    this.done = true;
    this.parts.push({
      type: 'done',
      model,
      reason: finishReason(reason, this.calledTools),
      usage: usage(statistics),
      statistics,
      createdAt,
    });
  }

  private tellCalls(called: unknown, createdAt: string): void {
    const calls = toolCalls.safeParse(called);
    if (!calls.success) throw new CastError('upstream_protocol_error');
    if (calls.data.length === 0) return;
    this.calledTools = true;
    this.parts.push({ type: 'tool_calls', calls: calls.data, createdAt });
  }
}

/** What the last line says beside text. */
interface LastWord {
  model: string | undefined;
  reason: unknown;
  statistics: Statistics;
}

function lastWord(said: JsonObject): LastWord {
  return {
    model: text(said['model']) || undefined,
    reason: said['done_reason'],
    statistics: pickStatistics(said),
  };
}

/** The tool calls of a line with every digit of their numbers. */
function exactCalls(line: string, called: unknown): unknown {
  const said = parseExact(line);
  if (!isObject(said)) return called;
  const { message } = said;
  return (isObject(message) ? message['tool_calls'] : undefined) ?? said['tool_calls'];
}

/** Whether a line without `done` has what only the last line has. */
function saysFinished({ done_reason: reason, total_duration: duration }: JsonObject): boolean {
  return (typeof reason === 'string' && reason !== '') || number(duration) !== undefined;
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
