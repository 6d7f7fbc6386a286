import { parseExact } from '../../protocol/exact-json.js';
import { measureJson, refuseLarge } from '../../protocol/json-values.js';
import type { ToolCall } from '../../protocol/model-fields.js';
import { notServed } from '../refused.js';
import type { Message } from './chat-body.js';

/**
 * Reads the tool calls of one request, whose arguments OpenAI writes as JSON inside of a text. Nobody
 * has counted the values in those texts: all of them together may have as many as a request.
 */
export class CallTexts {
  private values = 0;

  /**
   * A call that the model has made before.
   * @param path where its arguments stand
   * @throws CastError `invalid_request` where they are no JSON object, or nested too deeply;
   * `payload_too_large`
   */
  read(
    { id, function: { name, arguments: json = '' } }: NonNullable<Message['tool_calls']>[number],
    path: string,
  ): ToolCall {
    const { values, levels } = measureJson(json);
    this.values += values;
    const refused = refuseLarge({ values: this.values, levels }, path);
    if (refused !== undefined) throw refused;
    const given = objectIn(json, path);
    return { ...(id !== undefined && { id }), function: { name, arguments: given } };
  }
}

function objectIn(json: string, path: string): Record<string, unknown> {
  try {
    // Some models write null, or nothing, where a call has no arguments.
    const value = parseExact(json.trim() === '' ? '{}' : json) ?? {};
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Said below.
  }
  throw notServed(path, 'must be a JSON object as text');
}
