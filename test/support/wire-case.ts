import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ToolCall } from '../../src/protocol/model-fields.js';
import type { StreamRecord } from '../../src/protocol/records.js';
import type { TerminalRecord } from '../../src/protocol/terminal-record.js';
import type { Usage } from '../../src/protocol/usage.js';
import type { UpstreamCall } from './scripted-upstream.js';

/** What a client is told, in the same words for every kind of upstream (DESIGN 2.3). */
export type WireEvent =
  | { type: 'text' | 'thinking' | 'refusal'; text: string }
  | { type: 'tool_calls'; calls: { id: string | null; name: string; arguments: object }[] }
  | {
      type: 'progress';
      status: string;
      digest: string | null;
      total: number | null;
      completed: number | null;
    }
  | { type: 'done'; reason: string; usage: { prompt: number; completion: number } | null }
  | { type: 'error'; code: string; retryable: boolean; partial: boolean };

/** Bytes that are written to the socket in one go, `delay_ms` after what came before. */
type Fragment = { delay_ms?: number } & (
  { text: string } | { b64: string } | { repeat: string; times: number }
);

interface Limits {
  maxLineBytes: number;
  firstByteTimeoutMs: number;
  idleTimeoutMs: number;
}

/** One case of `wire-cases.json`; the file says what its fields mean. */
export interface WireCase {
  id: string;
  kind: 'ndjson' | 'sse';
  endpoint: string;
  note: string;
  status: number;
  headers: Record<string, string>;
  fragments: Fragment[];
  abrupt_close: boolean;
  hang_after_fragments?: boolean;
  hang_before_headers?: boolean;
  headers_delay_ms?: number;
  retry_after_ms?: number;
  compare?: 'concat';
  config?: Partial<Limits>;
  /** The last event of a failure also has what is for the log: `message_contains`, `status`. */
  expect: { events: (Partial<WireEvent> & { message_contains?: string; status?: number })[] };
}

interface WireCaseFile {
  defaults: Limits;
  cases: WireCase[];
}

const file = new URL('../fixtures/wire-cases.json', import.meta.url);
const { defaults, cases } = JSON.parse(readFileSync(file, 'utf8')) as WireCaseFile;

/** The cases of one kind of upstream that speak of these endpoints. */
export function wireCases(kind: WireCase['kind'], ...endpoints: string[]): WireCase[] {
  return cases.filter((wire) => wire.kind === kind && endpoints.includes(wire.endpoint));
}

/** Those that say something of the bytes alone: no status, no silence, no broken connection. */
export function bytesOnly(given: readonly WireCase[]): WireCase[] {
  return given.filter(
    ({ status, abrupt_close, hang_after_fragments }) =>
      status === 200 && !abrupt_close && hang_after_fragments !== true,
  );
}

/** The name of its test: its note, or what it expects where it has none. */
export function titleOf({ id, note, status, expect: { events } }: WireCase): string {
  const last = events.at(-1);
  return `${id}: ${note || `${status} is ${last?.type === 'error' ? last.code : last?.type}`}`;
}

/** The environment of a server that meets the case. */
export function limitsOf({ config }: WireCase): Record<string, number> {
  const limits = { ...defaults, ...config };
  return {
    MAX_LINE_BYTES: limits.maxLineBytes,
    FIRST_BYTE_TIMEOUT_MS: limits.firstByteTimeoutMs,
    IDLE_TIMEOUT_MS: limits.idleTimeoutMs,
  };
}

/**
 * Answers a request as the case says. Resolves when everything is written, or when the server went
 * away meanwhile.
 */
export async function play(wire: WireCase, call: UpstreamCall): Promise<void> {
  if (wire.hang_before_headers === true) return;
  await sleep(wire.headers_delay_ms ?? 0);
  call.head(wire.status, wire.headers);
  for (const fragment of wire.fragments) {
    // Node joins the writes of one turn; a delay, be it of 0, makes each fragment its own write.
    await sleep(fragment.delay_ms ?? 0);
    if (!call.isOpen) return;
    call.write(bytesOf(fragment));
  }
  await sleep(0);
  if (wire.abrupt_close) call.reset();
  else if (wire.hang_after_fragments !== true) call.end();
}

/** The bytes of one fragment. */
export function bytesOf(fragment: Fragment): Buffer {
  if ('b64' in fragment) return Buffer.from(fragment.b64, 'base64');
  return Buffer.from('text' in fragment ? fragment.text : fragment.repeat.repeat(fragment.times));
}

/**
 * Every string of the errors that the case's upstream writes, as a refusal's body or as a line (or
 * `data:` field) in the stream. They are for the log; none of them may reach a client.
 */
export function errorTexts({ status, fragments }: WireCase): string[] {
  const body = Buffer.concat(fragments.map(bytesOf)).toString();
  const texts: string[] = [];
  for (const line of body.split(/\r?\n/)) {
    if (!/^error:|"error"/.test(line)) {
      if (status !== 200 && line !== '') texts.push(line);
      continue;
    }
    JSON.parse(line.replace(/^[a-z]+: ?/, ''), (_key, value: unknown) => {
      if (typeof value === 'string' && value !== '') texts.push(value);
      return value;
    });
  }
  return texts;
}

/** The case's events as a client sees them: without what is for the log only. */
export function expectedEvents({ compare, expect: { events } }: WireCase): Partial<WireEvent>[] {
  const seen = events.map(({ message_contains: _text, status: _status, ...event }) => event);
  return compare === 'concat' ? joinText(seen as WireEvent[]) : seen;
}

/** A chunk's content, wherever it stands; a field is absent where there is none of it. */
interface Content {
  thinking?: string;
  response?: string;
  content?: string;
  refusal?: string;
  tool_calls?: ToolCall[];
  status?: string;
  digest?: string | null;
  total?: number | null;
  completed?: number | null;
}

/** What the records of one generation say, in the words of the case. */
export function eventsOf({ compare }: WireCase, records: readonly StreamRecord[]): WireEvent[] {
  const events = records.flatMap((record): WireEvent[] =>
    'state' in record ? [endOf(record)] : contentOf('message' in record ? record.message : record),
  );
  return compare === 'concat' ? joinText(events) : events;
}

/** Tool calls in the words of the cases. */
export function wireCalls(calls: readonly ToolCall[]) {
  return calls.map(({ id, function: { name, arguments: given } }) => ({
    id: id ?? null,
    name,
    arguments: given,
  }));
}

/** Usage in the words of the cases. */
export function wireUsage(usage: Usage): { prompt: number; completion: number } | null {
  return usage && { prompt: usage.promptTokens, completion: usage.completionTokens };
}

function contentOf(said: Content): WireEvent[] {
  const events: WireEvent[] = [];
  const text = said.response ?? said.content;
  if (said.thinking) events.push({ type: 'thinking', text: said.thinking });
  if (text) events.push({ type: 'text', text });
  if (said.refusal) events.push({ type: 'refusal', text: said.refusal });
  if (said.tool_calls) {
    events.push({ type: 'tool_calls', calls: wireCalls(said.tool_calls) });
  }
  if (said.status !== undefined) {
    const { status, digest = null, total = null, completed = null } = said;
    events.push({ type: 'progress', status, digest, total, completed });
  }
  return events;
}

function endOf(record: TerminalRecord): WireEvent {
  switch (record.state) {
    case 'completed': {
      const { finishReason: reason, usage } = record;
      return { type: 'done', reason, usage: wireUsage(usage) };
    }
    case 'failed': {
      const { code, retryable, seq } = record;
      return { type: 'error', code, retryable, partial: seq > 1 };
    }
    default:
      throw new Error(`no wire case ends as ${record.state}`);
  }
}

function joinText(events: readonly WireEvent[]): WireEvent[] {
  const joined: WireEvent[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if (last !== undefined && 'text' in event && 'text' in last && last.type === event.type) {
      joined[joined.length - 1] = { type: event.type, text: last.text + event.text };
    } else joined.push(event);
  }
  return joined;
}
