import { CastError } from '../../protocol/errors.js';
import { isObject, type JsonObject, number } from '../decoding/json.js';
import { readError } from '../said-error.js';
import { upstreamError } from '../upstream-error.js';

/** What only an answer has. */
const OF_AN_ANSWER = ['message', 'response', 'done', 'status'];

/**
 * Reads one line of an Ollama stream.
 * @param isRest it had no line end: the answer ended behind it
 * @throws CastError what an error line says; `upstream_protocol_error` for what is no JSON object,
 * `upstream_truncated` where the end cut it short
 */
export function ollamaLine(line: string, isRest: boolean): JsonObject {
  let said: unknown;
  try {
    said = JSON.parse(line);
  } catch {
    throw new CastError(isRest ? 'upstream_truncated' : 'upstream_protocol_error');
  }
  if (!isObject(said)) throw new CastError('upstream_protocol_error');
  const error = said['error'] ?? undefined;
  if (error === undefined) return said;
  // Some servers have the field on every line.
  const isEmpty = error === '' || error === false;
  if (isEmpty && OF_AN_ANSWER.some((name) => name in said)) return said;
  const { message, labels, status } = readError(error);
  // A cloud model's error carries its status in the line.
  const named = number(said['StatusCode']) ?? status;
  throw upstreamError(named, `${message} ${labels}`.trim() || line, {}, message);
}
