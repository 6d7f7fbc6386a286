import { CastError } from '../../protocol/errors.js';
import { parseExact } from '../../protocol/exact-json.js';
import type { Statistics, Usage } from '../../protocol/usage.js';
import { AnswerText } from '../decoding/answer-text.js';
import type { Decoder } from '../decoding/decoder.js';
import { isObject, type JsonObject, jsonOrText, number, parseObject } from '../decoding/json.js';
import { SseDecoder } from '../decoding/sse.js';
import type { Part } from '../part.js';
import { errorIn, readError, type SaidError } from '../said-error.js';
import { upstreamError } from '../upstream-error.js';
import { readContent } from './content.js';
import { checkFinish, finishReason } from './finish-reason.js';
import { hasObjects, ToolCalls } from './tool-calls.js';

const OPENING_BRACE = 0x7b;
/** The years 2000 to 3000, in seconds since 1970: some servers write 0, or milliseconds. */
const EARLIEST = 946_684_800;
const LATEST = 32_503_680_000;

/**
 * Reads the answer of `/v1/chat/completions`: chunks as Server-Sent Events up to `[DONE]`, or one
 * JSON body where the server ignored `stream`. Finished by a `finish_reason` or `[DONE]`; an error
 * frame wins over both. Tool calls come in pieces and are told whole, at the end.
 */
export class OpenAiDecoder implements Decoder<Part> {
  done = false;
  private readonly sse: SseDecoder;
  private readonly text: AnswerText;
  private readonly calls: ToolCalls;
  private finish: unknown;
  /** Some choice came without a finish_reason: the server does not put one on each. */
  private sawOpen = false;
  /** Something of the answer came behind a finish_reason. */
  private wentOn = false;
  /** Some choice had a delta. */
  private sawDelta = false;
  /** Some frame called itself a chunk. */
  private sawChunk = false;
  private readonly told = { thinking: false, text: false, refusal: false };
  private usage: Usage = null;
  private statistics: Statistics = {};
  private createdAt = '';
  private model: string | undefined;
  private parts: Part[] = [];
  /** The chunk that is read, as it came. */
  private json = '';
  /** The pieces of a body that is JSON and not SSE; undefined until the first byte has told. */
  private body: Buffer[] | undefined;
  private bodyBytes = 0;
  private begun = false;

  /**
   * @param maxBytes longest event, and most bytes of tool calls
   * @param thinkTags whether thinking inside the text is told apart
   */
  constructor(
    private readonly maxBytes: number,
    thinkTags = true,
  ) {
    this.text = new AnswerText(thinkTags);
    this.calls = new ToolCalls(maxBytes);
    this.sse = new SseDecoder(
      maxBytes,
      (data, event) => this.readEvent(data, event),
      (name, value) => this.readField(name, value),
    );
  }

  /** Usage and `[DONE]` may follow a finish_reason; some servers have one on every chunk. */
  get isWhole(): boolean {
    return this.sawOpen && this.finish !== undefined && !this.wentOn;
  }

  /** Calls of tools are told at the end. */
  get hasBegun(): boolean {
    return this.calls.size > 0;
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
    else {
      this.json = Buffer.concat(this.body).toString();
      this.readChunk(parseObject(this.json));
    }
    if (!this.done) this.complete();
  }

  private readEvent(data: string, event: string | undefined): void {
    if (this.done || data === '') return;
    if (data.trim() === '[DONE]') return this.complete(true);
    if (event === 'error') throw errorOf(readError(jsonOrText(data)));
    this.json = data;
    this.readChunk(parseObject(data));
  }

  /** llama.cpp before September 2025 wrote `error: {…}`. */
  private readField(name: string, value: string): void {
    if (name === 'error' && !this.done) throw errorOf(readError(jsonOrText(value)));
  }

  private readChunk(chunk: JsonObject): void {
    const failed = errorIn(chunk);
    if (failed !== undefined) throw errorOf(failed);
    this.createdAt = timeOf(number(chunk['created']));
    if (typeof chunk['model'] === 'string') this.model = chunk['model'];
    this.readNumbers(chunk);
    const choices = chunk['choices'] ?? [];
    if (!Array.isArray(choices)) throw new CastError('upstream_protocol_error');
    const [choice]: unknown[] = choices;
    if (choice === undefined) return;
    if (!isObject(choice)) throw new CastError('upstream_protocol_error');
    if (choice['error']) throw errorOf(readError(choice['error']));
    const delta = choice['delta'] ?? choice['message'] ?? {};
    if (!isObject(delta)) throw new CastError('upstream_protocol_error');
    // Some servers (MiniMax) send the whole answer once more at its end, as a message, or as a delta
    // of a frame that is no chunk.
    const isWhole =
      delta === choice['delta']
        ? this.sawChunk && chunk['object'] === 'chat.completion'
        : this.sawDelta;
    if (choice['delta'] !== undefined) this.sawDelta = true;
    if (chunk['object'] === 'chat.completion.chunk') this.sawChunk = true;
    if (isWhole) this.readMissing(delta);
    else this.readDelta(delta);
    // Null on the chunks before; some servers write ''.
    const finish = choice['finish_reason'] || undefined;
    if (finish === undefined) this.sawOpen = true;
    else this.finish = finish;
  }

  /** Reads of a whole message only what no delta has told. */
  private readMissing(message: JsonObject): void {
    const { told } = this;
    this.readDelta({
      ...(!told.text && { content: message['content'] }),
      ...(!told.thinking && { reasoning_content: message['reasoning_content'] }),
      ...(!told.refusal && { refusal: message['refusal'] }),
      ...(this.calls.size === 0 && { tool_calls: message['tool_calls'] }),
    });
  }

  private readDelta(delta: JsonObject): void {
    const { content, refusal } = delta;
    // Several names of one field; servers that send two of them send the same twice.
    let thinking = delta['reasoning_content'] || delta['reasoning'];
    if (isEmpty(thinking) && isEmpty(content)) {
      thinking = delta['thinking'] ?? delta['reasoning_details'];
    }
    this.read(thinking, 'thinking');
    this.read(content, 'text');
    this.read(refusal, 'refusal');

    const old = delta['function_call'];
    const pieces = delta['tool_calls'] ?? (isObject(old) ? [{ index: 0, function: old }] : []);
    if (!Array.isArray(pieces)) throw new CastError('upstream_protocol_error');
    if (pieces.length === 0) return;
    this.wentOn = this.finish !== undefined;
    this.calls.add(hasObjects(pieces) ? this.exact(pieces) : pieces);
  }

  /** The same pieces of tool calls, with every digit of their numbers. */
  private exact(pieces: unknown[]): unknown[] {
    const chunk = parseExact(this.json) as { choices?: { [field: string]: JsonObject }[] };
    const [choice] = chunk.choices ?? [];
    const said = (choice?.['delta'] ?? choice?.['message'])?.['tool_calls'];
    return Array.isArray(said) ? said : pieces;
  }

  /** Running totals: the last ones count. */
  private readNumbers({ usage, timings }: JsonObject): void {
    if (isObject(usage)) {
      this.usage = {
        promptTokens: number(usage['prompt_tokens']) ?? 0,
        completionTokens: number(usage['completion_tokens']) ?? 0,
      };
    }
    if (isObject(timings)) this.statistics = statisticsOf(timings);
  }

  /** What the end has cut does not read. Half a usage chunk takes nothing from an answer that is whole. */
  private endEvents(): void {
    try {
      this.sse.end();
    } catch (error) {
      const isHalf = error instanceof CastError && error.code === 'upstream_protocol_error';
      if (!isHalf) throw error;
      if (!this.isWhole) throw new CastError('upstream_truncated', { cause: error });
    }
  }

  private read(said: unknown, kind: 'thinking' | 'text' | 'refusal'): void {
    if (typeof said === 'string') this.tell(kind, said);
    else if (said !== undefined && said !== null) readContent(said, kind, this.tell);
  }

  private readonly tell = (type: 'thinking' | 'text' | 'refusal', piece: string): void => {
    if (piece === '') return;
    this.told[type] = true;
    this.wentOn = this.finish !== undefined;
    this.text.push(type, piece, this.createdAt, this.parts);
  };

  /** @param marked the upstream said itself that it is done */
  private complete(marked = false): void {
    if (this.finish === undefined && !marked) throw new CastError('upstream_truncated');
    checkFinish(this.finish);
    const createdAt = this.createdAt || timeOf(undefined);
    this.text.end(createdAt, this.parts);
    const calls = this.calls.finish();
    if (calls.length > 0) this.parts.push({ type: 'tool_calls', calls, createdAt });
    this.parts.push({
      type: 'done',
      model: this.model,
      reason: finishReason(this.finish, calls.length > 0),
      usage: this.usage,
      statistics: this.statistics,
      createdAt,
    });
    this.done = true;
  }
}

/** RFC 3339, of Unix seconds; ours where the upstream's is none. */
function timeOf(seconds = 0): string {
  const isPlausible = seconds > EARLIEST && seconds < LATEST;
  return (isPlausible ? new Date(seconds * 1000) : new Date()).toISOString();
}

/** llama.cpp's `timings` (milliseconds) in Ollama's fields (nanoseconds). */
function statisticsOf(timings: JsonObject): Statistics {
  const statistics: Statistics = {};
  const take = (name: keyof Statistics, value: unknown, factor = 1): void => {
    const said = number(value);
    if (said !== undefined) statistics[name] = Math.round(said * factor);
  };
  take('prompt_eval_count', timings['prompt_n']);
  take('prompt_eval_duration', timings['prompt_ms'], 1e6);
  take('eval_count', timings['predicted_n']);
  take('eval_duration', timings['predicted_ms'], 1e6);
  return statistics;
}

function isEmpty(field: unknown): boolean {
  return (
    field === undefined ||
    field === null ||
    field === '' ||
    (Array.isArray(field) && field.length === 0)
  );
}

function errorOf({ message, labels, status }: SaidError): CastError {
  return upstreamError(status, `${message} ${labels}`.trim(), {}, message);
}
