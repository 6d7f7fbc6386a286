import { type JsonObject, number, text } from '../decoding/json.js';
import { NdjsonDecoder } from '../decoding/ndjson-decoder.js';

/** Longest status and digest that are passed on. */
const STATUS_CHARS = 200;

/** Reads the answer of `/api/pull`: NDJSON of progress; it is done with `{"status":"success"}`. */
export class PullDecoder extends NdjsonDecoder {
  protected override read(said: JsonObject): void {
    const status = text(said['status']).slice(0, STATUS_CHARS);
    const createdAt = new Date().toISOString();
    if (status === 'success') {
      this.done = true;
      this.parts.push({ type: 'done', reason: 'success', usage: null, statistics: {}, createdAt });
      return;
    }
    const digest = text(said['digest']).slice(0, STATUS_CHARS) || null;
    const total = number(said['total']) ?? null;
    // Ollama leaves out a zero.
    const completed = number(said['completed']) ?? (total === null ? null : 0);
    this.parts.push({ type: 'progress', status, digest, total, completed, createdAt });
  }
}
