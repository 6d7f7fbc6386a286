import type { IncomingMessage } from 'node:http';
import { Refusal } from './refusal.js';

/** Largest request body, 32 MiB; a longer one is refused with 413. */
export const MAX_BODY_BYTES = 32 * 1024 * 1024;

/** A JSON object read the way Go reads it: null is absent, a wrong type is a 400 in Go's words. */
export class Fields {
  /** @param path how Go's error texts call this object, e.g. `ChatRequest` */
  constructor(
    private readonly json: Readonly<Record<string, unknown>>,
    private readonly path: string,
  ) {}

  /** The value as it came. */
  raw(name: string): unknown {
    return this.json[name] ?? undefined;
  }

  /** A text; absent is the empty one. */
  string(name: string): string {
    const value = this.raw(name) ?? '';
    if (typeof value !== 'string') throw this.#wrong(name, 'string');
    // Through bytes and back, because Go too turns half a surrogate pair into U+FFFD.
    return Buffer.from(value).toString();
  }

  /** A boolean. */
  boolean(name: string, fallback: boolean): boolean {
    const value = this.raw(name) ?? fallback;
    if (typeof value !== 'boolean') throw this.#wrong(name, 'bool');
    return value;
  }

  /** An object inside this one; absent is the empty one. */
  object(name: string, goType: string): Fields {
    const value = this.raw(name) ?? {};
    if (!isObject(value)) throw this.#wrong(name, goType);
    return new Fields(value, `${this.path}.${name}`);
  }

  /** A list of objects; absent is the empty one. */
  objects(name: string, goType: string): Fields[] {
    const value = this.raw(name) ?? [];
    if (!Array.isArray(value)) throw this.#wrong(name, `[]${goType}`);
    return value.map((item: unknown) => {
      if (!isObject(item)) throw this.#wrong(name, goType, item);
      return new Fields(item, `${this.path}.${name}`);
    });
  }

  #wrong(name: string, goType: string, value = this.raw(name)): Refusal {
    const field = `Go struct field ${this.path}.${name} of type ${goType}`;
    return new Refusal(400, `json: cannot unmarshal ${goKind(value)} into ${field}`);
  }
}

/**
 * Reads a request's body as a JSON object, whatever its content type says.
 * @param goType name of Go's request type, e.g. `ChatRequest`
 */
export async function readBody(request: IncomingMessage, goType: string): Promise<Fields> {
  const text = (await readBytes(request)).toString();
  if (text.trim() === '') throw new Refusal(400, 'missing request body');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Refusal(400, `invalid JSON: ${String(error)}`);
  }
  if (!isObject(json)) {
    const why = `json: cannot unmarshal ${goKind(json)} into Go value of type api.${goType}`;
    throw new Refusal(400, why);
  }
  return new Fields(json, goType);
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    // Too much is read on and dropped: a client that is still sending would see a reset connection
    // instead of the 413.
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (size > MAX_BODY_BYTES) throw new Refusal(413, 'http: request body too large');
  return Buffer.concat(chunks);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function goKind(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
