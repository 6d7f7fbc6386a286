import { CastError } from '../../protocol/errors.js';
import { parseExact, stringifyExact } from '../../protocol/exact-json.js';
import { isShallow } from '../../protocol/json-depth.js';
import type { ToolCall } from '../../protocol/model-fields.js';
import { isObject, number, text } from '../decoding/json.js';

/** Most tool calls of one answer. */
const MAX_CALLS = 128;

/** A tool call whose pieces are still coming. */
interface PartialCall {
  index: number | undefined;
  id: string | undefined;
  name: string;
  arguments: string;
}

/**
 * Gathers the pieces of an answer's tool calls. A piece belongs to the call of its index (of several to
 * that of its id), else of its id, else of its place in the list, else to the newest call. Where the
 * piece begins a call although that one has begun (another id with a name, or a name behind whole
 * arguments), it is a new call: some servers (Gemini) send each call whole, all with index 0.
 */
export class ToolCalls {
  private readonly calls: PartialCall[] = [];
  private chars = 0;

  /** @param maxChars most characters of arguments in all */
  constructor(private readonly maxChars: number) {}

  get size(): number {
    return this.calls.length;
  }

  /**
   * Adds the pieces of one chunk.
   * @throws CastError `upstream_protocol_error`; `line_too_long` above the limit
   */
  add(pieces: readonly unknown[]): void {
    for (const [place, piece] of pieces.entries()) {
      const called = isObject(piece) ? (piece['function'] ?? {}) : undefined;
      if (!isObject(piece) || !isObject(called)) throw new CastError('upstream_protocol_error');
      const id = text(piece['id']) || undefined;
      const name = text(called['name']);
      const given = called['arguments'];
      // Some servers write the object itself, as Ollama does.
      const more = isObject(given) ? stringifyExact(given) : text(given);
      const index = number(piece['index']);
      const at = this.find(index, id, pieces.length > 1 ? place : undefined);
      const call =
        at === undefined || begins(at, { id, name, more }) ? this.begin(index ?? place) : at;
      call.id ??= id;
      call.name ||= name;
      call.arguments += more;
      this.chars += more.length;
      if (this.chars > this.maxChars) throw new CastError('line_too_long');
    }
  }

  /** The calls, whole. @throws CastError `tool_call_incomplete`, `upstream_protocol_error` */
  finish(): ToolCall[] {
    return this.calls.map(whole);
  }

  private find(
    index: number | undefined,
    id: string | undefined,
    place: number | undefined,
  ): PartialCall | undefined {
    const { calls } = this;
    if (index !== undefined) {
      const same = calls.filter((call) => call.index === index);
      return same.find((call) => id !== undefined && call.id === id) ?? same.at(-1);
    }
    if (id !== undefined) {
      const known = calls.find((call) => call.id === id);
      if (known !== undefined || place === undefined) return known;
    }
    return place === undefined ? calls.at(-1) : calls.findLast((call) => call.index === place);
  }

  private begin(index: number): PartialCall {
    if (this.calls.length >= MAX_CALLS) throw new CastError('upstream_protocol_error');
    const call: PartialCall = { index, id: undefined, name: '', arguments: '' };
    this.calls.push(call);
    return call;
  }
}

/** Whether one of the pieces has its arguments as an object, whose numbers a plain reading rounds. */
export function hasObjects(pieces: readonly unknown[]): boolean {
  return pieces.some((piece) => {
    const called = isObject(piece) ? piece['function'] : undefined;
    return isObject(called) && isObject(called['arguments']);
  });
}

/** Whether a piece begins a new call behind one that has begun. A continuation need not have a name. */
function begins(
  call: PartialCall,
  { id, name, more }: { id: string | undefined; name: string; more: string },
): boolean {
  if (name === '' || call.name === '') return false;
  const isOther = id !== undefined && call.id !== undefined && id !== call.id;
  const canEnd = call.arguments.trim() === '' || isWhole(call.arguments);
  if (name !== call.name) return isOther || canEnd;
  // Some servers repeat the name with each piece, and some give each piece an id of its own.
  if (id !== undefined && call.id !== undefined) return isOther && canEnd;
  return more !== '' && isWhole(call.arguments);
}

function isWhole(json: string): boolean {
  try {
    return isObject(JSON.parse(json));
  } catch {
    return false;
  }
}

/** @throws CastError `tool_call_incomplete`: half a call is never handed over */
function whole({ id, name, arguments: given }: PartialCall, index: number): ToolCall {
  let parsed: unknown;
  try {
    parsed = given.trim() === '' ? {} : parseExact(given);
  } catch {
    throw new CastError('tool_call_incomplete');
  }
  if (!isObject(parsed) || name === '') throw new CastError('tool_call_incomplete');
  if (!isShallow(parsed)) throw new CastError('upstream_protocol_error');
  return { ...(id !== undefined && { id }), function: { index, name, arguments: parsed } };
}
