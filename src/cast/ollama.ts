import { z } from 'zod';
import { CastError } from '../errors.js';
import {
  type ChatFields,
  type FinishReason,
  type GenerateFields,
  type Statistics,
  toolCall,
  type Usage,
} from '../protocol.js';
import type { Decoder } from './exchange.js';
import { LineDecoder } from './lines.js';
import type { Part } from './part.js';
import { upstreamError } from './upstream-error.js';
import { WholeCharacters } from './whole-characters.js';

/** A request as the generation decided it: on which endpoint, with which model. */
export type CastRequest = { model: string } & (
  | ({ endpoint: 'generate' } & Omit<GenerateFields, 'model' | 'onDisconnect'>)
  | ({ endpoint: 'chat' } & Omit<ChatFields, 'model' | 'onDisconnect'>)
);

/** Media types of Ollama's answers, streamed and not. */
export const OLLAMA_TYPES = ['application/x-ndjson', 'application/json'] as const;

/** The body of `/api/generate` or `/api/chat` with the operator's options put on. */
export function ollamaBody(
  { endpoint: _endpoint, options, ...request }: CastRequest,
  operator: { options: Record<string, unknown>; keepAlive: string | number | undefined },
): unknown {
  return {
    ...request,
    stream: true,
    options: { ...operator.options, ...options },
    ...(operator.keepAlive !== undefined && { keep_alive: operator.keepAlive }),
  };
}

/** The error text of a refusal: `{"error":"…"}`, or whatever a server in front answered. */
export function ollamaErrorText(body: string): string {
  try {
    const said: unknown = JSON.parse(body);
    if (isObject(said) && typeof said['error'] === 'string') return said['error'];
  } catch {
    // Not JSON: a 404 of another server, a gateway's page.
  }
  return body;
}

const toolCalls = z.array(toolCall);

/**
 * Reads the answer of `/api/generate` or `/api/chat`: NDJSON, or the one object of a load. Strict: a
 * line that is not what Ollama documents is `upstream_protocol_error`, because a skipped line is
 * lost text. Fields it does not know are dropped, `context` among them.
 */
export class OllamaDecoder implements Decoder<Part> {
  done = false;
  private readonly lines: LineDecoder;
  private readonly text = new WholeCharacters();
  private readonly thinking = new WholeCharacters();
  private calledTools = false;
  private parts: Part[] = [];
  private ended = false;

  constructor(maxLineBytes: number) {
    this.lines = new LineDecoder(maxLineBytes, (line) => this.readLine(line));
  }

  push(bytes: Buffer, into: Part[]): void {
    this.parts = into;
    this.lines.push(bytes);
  }

  end(into: Part[]): void {
    this.parts = into;
    this.ended = true;
    this.lines.end();
    if (!this.done) throw new CastError('upstream_truncated');
  }

  private readLine(line: string): void {
    if (this.done) return;
    let said: unknown;
    try {
      said = JSON.parse(line);
    } catch {
      // A line that the end cut short is not the upstream's grammar but its death.
      throw new CastError(this.ended ? 'upstream_truncated' : 'upstream_protocol_error');
    }
    if (!isObject(said)) throw new CastError('upstream_protocol_error');
    if (said['error'] !== undefined && said['error'] !== null) {
      const status = said['StatusCode'];
      throw upstreamError(
        typeof status === 'number' ? status : undefined,
        typeof said['error'] === 'string' ? said['error'] : JSON.stringify(said['error']),
      );
    }
    const createdAt = optional(said, 'created_at', 'string') ?? new Date().toISOString();
    const done = optional(said, 'done', 'boolean') ?? false;
    const message = said['message'] ?? {};
    if (!isObject(message)) throw new CastError('upstream_protocol_error');

    const pushText = (type: 'thinking' | 'text', piece: string): void => {
      const held = this[type];
      const text = held.push(piece) + (done ? held.end() : '');
      if (text !== '') this.parts.push({ type, text, createdAt });
    };
    pushText('thinking', string(said, 'thinking') + string(message, 'thinking'));
    pushText('text', string(said, 'response') + string(message, 'content'));

    const calls = message['tool_calls'] ?? said['tool_calls'];
    if (calls !== undefined && calls !== null) {
      const parsed = toolCalls.safeParse(calls);
      if (!parsed.success) throw new CastError('upstream_protocol_error');
      if (parsed.data.length > 0) {
        this.calledTools = true;
        this.parts.push({ type: 'tool_calls', calls: parsed.data, createdAt });
      }
    }
    if (done) {
      this.done = true;
      const reason = finishReason(said['done_reason'], this.calledTools);
      const statistics = pickStatistics(said);
      this.parts.push({ type: 'done', reason, usage: usage(statistics), statistics, createdAt });
    }
  }
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

function pickStatistics(said: Record<string, unknown>): Statistics {
  const picked: Statistics = {};
  for (const name of STATISTICS) {
    const value = said[name];
    if (typeof value === 'number') picked[name] = value;
  }
  return picked;
}

/** Ollama leaves out a count that is zero, but never both of an answer. */
function usage({ prompt_eval_count, eval_count }: Statistics): Usage {
  if (prompt_eval_count === undefined && eval_count === undefined) return null;
  return { promptTokens: prompt_eval_count ?? 0, completionTokens: eval_count ?? 0 };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function optional(said: Record<string, unknown>, name: string, type: 'string'): string | undefined;
function optional(
  said: Record<string, unknown>,
  name: string,
  type: 'boolean',
): boolean | undefined;
function optional(said: Record<string, unknown>, name: string, type: string): unknown {
  const value = said[name] ?? undefined;
  if (value !== undefined && typeof value !== type) {
    throw new CastError('upstream_protocol_error');
  }
  return value;
}

function string(said: Record<string, unknown>, name: string): string {
  return optional(said, name, 'string') ?? '';
}
