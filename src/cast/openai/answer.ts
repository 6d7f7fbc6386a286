import { CastError } from '../../protocol/errors.js';
import { isShallow } from '../../protocol/json-depth.js';
import { type ToolCall } from '../../protocol/model-fields.js';
import { type FinishReason, type Usage } from '../../protocol/usage.js';
import type { Decoder } from '../decoding/decoder.js';
import {
  isObject,
  type JsonObject,
  jsonOrText,
  number,
  parseObject,
  text,
} from '../decoding/json.js';
import type { Part } from '../part.js';
import { SseDecoder } from '../decoding/sse.js';
import { upstreamError } from '../upstream-error.js';
import { WholeCharacters } from '../decoding/characters.js';

const OPENING_BRACE = 0x7b;

/** Most tool calls of one answer. */
const MAX_CALLS = 128;

/** A tool call whose pieces are still coming. */
interface PartialCall {
  id: string | undefined;
  name: string;
  arguments: string;
}

/**
 * Reads the answer of `/v1/chat/completions`: chunks as Server-Sent Events up to `[DONE]`, or one
 * JSON body where the server ignored `stream`. Finished by a `finish_reason` or `[DONE]`; an error
 * frame wins over both. Tool calls come in pieces and are told whole, at the end.
 */
export class OpenAiDecoder implements Decoder<Part> {
  done = false;
  private readonly sse: SseDecoder;
  private readonly held = {
    thinking: new WholeCharacters(),
    text: new WholeCharacters(),
    refusal: new WholeCharacters(),
  };
  private readonly calls = new Map<number, PartialCall>();
  private callChars = 0;
  private finish: unknown;
  /** Some choice came without a finish_reason: the server does not put one on each. */
  private sawOpen = false;
  /** Something of the answer came behind a finish_reason. */
  private wentOn = false;
  private usage: Usage = null;
  private createdAt = '';
  private parts: Part[] = [];
  /** The pieces of a body that is JSON and not SSE; undefined until the first byte has told. */
  private body: Buffer[] | undefined;
  private bodyBytes = 0;
  private begun = false;

  constructor(private readonly maxBytes: number) {
    this.sse = new SseDecoder(
      maxBytes,
      (data) => this.readEvent(data),
      (name, value) => this.readField(name, value),
    );
  }

  /** Usage and `[DONE]` may follow a finish_reason; some servers have one on every chunk. */
  get isWhole(): boolean {
    return this.sawOpen && this.finish !== undefined && !this.wentOn;
  }

  push(bytes: Buffer, into: Part[]): void {
    this.parts = into;
    if (!this.begun) {
      const first = bytes.find((byte) => byte > 0x20);
      if (first !== undefined) this.begun = true;
      if (first === OPENING_BRACE) this.body = [];
    }
    if (this.body === undefined) return this.sse.push(bytes);
    this.bodyBytes += bytes.length;
    if (this.bodyBytes > this.maxBytes) throw new CastError('line_too_long');
    this.body.push(bytes);
  }

  end(into: Part[]): void {
    this.parts = into;
    if (this.body === undefined) this.endEvents();
    else this.readChunk(parseObject(Buffer.concat(this.body).toString()));
    if (!this.done) this.complete();
  }

  private readEvent(data: string): void {
    if (this.done || data === '') return;
    if (data.trim() === '[DONE]') return this.complete(true);
    this.readChunk(parseObject(data));
  }

  /** llama.cpp before September 2025 wrote `error: {…}`. */
  private readField(name: string, value: string): void {
    if (name === 'error' && !this.done) throw errorOf(value);
  }

  private readChunk(chunk: JsonObject): void {
    if (chunk['error'] !== undefined && chunk['error'] !== null) throw errorOf(chunk['error']);
    this.createdAt = timeOf(number(chunk['created']));
    const { usage } = chunk;
    if (isObject(usage)) {
      // Running totals: the last one counts.
      this.usage = {
        promptTokens: number(usage['prompt_tokens']) ?? 0,
        completionTokens: number(usage['completion_tokens']) ?? 0,
      };
    }
    const choices = chunk['choices'] ?? [];
    if (!Array.isArray(choices)) throw new CastError('upstream_protocol_error');
    const [choice]: unknown[] = choices;
    if (choice === undefined) return;
    if (!isObject(choice)) throw new CastError('upstream_protocol_error');
    const delta = choice['delta'] ?? choice['message'] ?? {};
    if (!isObject(delta)) throw new CastError('upstream_protocol_error');

    // Two names of one field; servers that send both send the same twice.
    this.tell('thinking', text(delta['reasoning_content']) || text(delta['reasoning']));
    this.tell('text', text(delta['content']));
    this.tell('refusal', text(delta['refusal']));
    this.gatherCalls(delta);
    // Null on the chunks before; some servers write ''.
    const finish = choice['finish_reason'] || undefined;
    if (finish === undefined) this.sawOpen = true;
    else this.finish = finish;
  }

  /** Half a usage chunk takes nothing from an answer that is whole. */
  private endEvents(): void {
    try {
      this.sse.end();
    } catch (error) {
      const isHalf = error instanceof CastError && error.code === 'upstream_protocol_error';
      if (!isHalf || !this.isWhole) throw error;
    }
  }

  private tell(type: 'thinking' | 'text' | 'refusal', piece: string): void {
    if (piece === '') return;
    this.wentOn = this.finish !== undefined;
    const whole = this.held[type].push(piece);
    if (whole !== '') this.parts.push({ type, text: whole, createdAt: this.createdAt });
  }

  private gatherCalls(delta: JsonObject): void {
    const old = delta['function_call'];
    const pieces = delta['tool_calls'] ?? (isObject(old) ? [{ index: 0, function: old }] : []);
    if (!Array.isArray(pieces)) throw new CastError('upstream_protocol_error');
    for (const [position, piece] of (pieces as unknown[]).entries()) {
      this.wentOn = this.finish !== undefined;
      const called = isObject(piece) ? (piece['function'] ?? {}) : undefined;
      if (!isObject(piece) || !isObject(called)) throw new CastError('upstream_protocol_error');
      const id = text(piece['id']) || undefined;
      const place = pieces.length > 1 ? position : undefined;
      const call = this.callAt(number(piece['index']) ?? this.indexOf(id) ?? place, id);
      const more = text(called['arguments']);
      call.id ??= id;
      call.name ||= text(called['name']);
      call.arguments += more;
      this.callChars += more.length;
      if (this.callChars > this.maxBytes) throw new CastError('line_too_long');
    }
  }

  private indexOf(id: string | undefined): number | undefined {
    if (id === undefined) return undefined;
    return [...this.calls].find(([, call]) => call.id === id)?.[0];
  }

  /** The call that a piece belongs to; where nothing says which, a new id begins a new one. */
  private callAt(index: number | undefined, id: string | undefined): PartialCall {
    const next = this.calls.size;
    const at = index ?? (id === undefined ? Math.max(0, next - 1) : next);
    let call = this.calls.get(at);
    if (call === undefined) {
      if (this.calls.size >= MAX_CALLS) throw new CastError('upstream_protocol_error');
      call = { id: undefined, name: '', arguments: '' };
      this.calls.set(at, call);
    }
    return call;
  }

  /** @param marked the upstream said itself that it is done */
  private complete(marked = false): void {
    if (this.finish === undefined && !marked) throw new CastError('upstream_truncated');
    if (this.finish === 'error' || this.finish === 'abort') throw new CastError('upstream_error');
    const createdAt = this.createdAt || timeOf(undefined);
    for (const type of ['thinking', 'text', 'refusal'] as const) {
      const rest = this.held[type].end();
      if (rest !== '') this.parts.push({ type, text: rest, createdAt });
    }
    const calls = [...this.calls].map(([index, call]) => whole(index, call));
    if (calls.length > 0) this.parts.push({ type: 'tool_calls', calls, createdAt });
    this.parts.push({
      type: 'done',
      reason: finishReason(this.finish, calls.length > 0),
      usage: this.usage,
      statistics: {},
      createdAt,
    });
    this.done = true;
  }
}

/** RFC 3339, of Unix seconds; ours where the upstream's is none. */
function timeOf(seconds: number | undefined): string {
  const time = new Date((seconds ?? Number.NaN) * 1000);
  return (Number.isNaN(time.getTime()) ? new Date() : time).toISOString();
}

/** @throws CastError `tool_call_incomplete`: half a call is never handed over */
function whole(index: number, call: PartialCall): ToolCall {
  let parsed: unknown;
  try {
    parsed = call.arguments.trim() === '' ? {} : JSON.parse(call.arguments);
  } catch {
    throw new CastError('tool_call_incomplete');
  }
  if (!isObject(parsed) || call.name === '') throw new CastError('tool_call_incomplete');
  if (!isShallow(parsed)) throw new CastError('upstream_protocol_error');
  return {
    ...(call.id !== undefined && { id: call.id }),
    function: { index, name: call.name, arguments: parsed },
  };
}

function finishReason(said: unknown, calledTools: boolean): FinishReason {
  switch (said) {
    case 'stop':
      // vLLM says `stop` for a tool that was asked for by name.
      return calledTools ? 'tool_calls' : 'stop';
    case 'length':
    case 'content_filter':
    case 'tool_calls':
      return said;
    case 'function_call':
      return 'tool_calls';
    default:
      return 'unknown';
  }
}

/** An error inside a stream; where its `code` is a number, it is the HTTP status it would have had. */
function errorOf(said: unknown): CastError {
  const error: unknown = typeof said === 'string' ? jsonOrText(said) : said;
  const status = isObject(error) ? number(error['code']) : undefined;
  return upstreamError(status, openAiErrorText(error));
}

/** Message, type and code in one text: servers put what matters into any of them. */
export function openAiErrorText(said: unknown): string {
  // Whoever writes it as text, or looks into it, would run out of stack.
  if (!isShallow(said)) return '';
  if (!isObject(said)) return typeof said === 'string' ? said : JSON.stringify(said);
  const inner = said['error'] ?? said['detail'];
  if (inner !== undefined) return openAiErrorText(inner);
  return [said['message'], said['type'], said['code']]
    .filter((field) => typeof field === 'string' || typeof field === 'number')
    .join(' ');
}
