import { CastError } from '../../protocol/errors.js';

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A field that is text, or absent. @throws CastError `upstream_protocol_error` for anything else */
export function text(field: unknown): string {
  const value = field ?? '';
  if (typeof value !== 'string') throw new CastError('upstream_protocol_error');
  return value;
}

/** The field if it is a number; `1e999` is none. */
export function number(field: unknown): number | undefined {
  return Number.isFinite(field) ? (field as number) : undefined;
}

/** What a text says as JSON; the text itself where it is none. */
export function jsonOrText(said: string): unknown {
  try {
    return JSON.parse(said);
  } catch {
    return said;
  }
}

/** @throws CastError `upstream_protocol_error` for what is not a JSON object */
export function parseObject(json: string): JsonObject {
  let said: unknown;
  try {
    said = JSON.parse(json);
  } catch (cause) {
    throw new CastError('upstream_protocol_error', { cause });
  }
  if (!isObject(said)) throw new CastError('upstream_protocol_error');
  return said;
}
