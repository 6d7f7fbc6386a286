import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type Models, withTag } from './models.js';
import { until } from './pace.js';
import { Refusal } from './refusal.js';
import { jsonLine, sendJson } from './reply.js';
import { MODEL_NAME, type Switches } from './switches.js';

/** What a model consists of, in the order of download, in bytes: as a real llama3.2 does. */
const LAYERS = {
  weights: 2_019_377_376,
  template: 1_429,
  license: 7_711,
  params: 96,
  config: 561,
};
const MODEL_BYTES = Object.values(LAYERS).reduce((sum, bytes) => sum + bytes);
const BYTES_PER_MB = 1e6;
/** How often a download tells how far it is. */
const PROGRESS_MS = 60;

/** One line of an answer of `/api/pull`. */
type Line =
  { status: string; digest?: string; total?: number; completed?: number } | { error: string };

/** What there is to be pulled, and how much of it is there. */
export class Library {
  /** Bytes of each layer that have been downloaded, by digest. */
  readonly #blobs = new Map<string, number>();

  constructor(
    private readonly switches: Pick<Switches, 'library' | 'pullRate'>,
    private readonly models: Models,
  ) {}

  /**
   * Answers a pull, as lines or with the last one only. Rejects when `gone` aborts; the next pull of
   * that model goes on from there.
   */
  async pull(
    name: string,
    stream: boolean,
    response: ServerResponse,
    gone: AbortSignal,
  ): Promise<void> {
    if (!MODEL_NAME.test(name)) throw new Refusal(400, 'invalid model name');
    response.setHeader('content-type', 'application/x-ndjson');
    let last: Line = { status: '' };
    for await (const line of this.#lines(withTag(name), gone)) {
      if (stream) response.write(jsonLine(line));
      last = line;
    }
    if (stream) response.end();
    else sendJson(response, 'error' in last ? 500 : 200, last);
  }

  async *#lines(name: string, gone: AbortSignal): AsyncGenerator<Line> {
    yield { status: 'pulling manifest' };
    const full = this.switches.library.map(withTag).find(sameAs(name));
    if (full === undefined) {
      // As a real Ollama: the status has been sent by now, and it is 200.
      yield { error: 'pull model manifest: file does not exist' };
      return;
    }
    for (const [layer, total] of Object.entries(LAYERS)) {
      yield* this.#download(sha256(`${full} ${layer}`), total, gone);
    }
    for (const status of ['verifying sha256 digest', 'writing manifest']) yield { status };
    this.models.add(full, MODEL_BYTES);
    yield { status: 'success' };
  }

  async *#download(digest: string, total: number, gone: AbortSignal): AsyncGenerator<Line> {
    const { pullRate } = this.switches;
    const line = { status: `pulling ${digest.slice(0, 12)}`, digest: `sha256:${digest}`, total };
    const begun = performance.now();
    const had = this.#blobs.get(digest) ?? 0;
    for (let completed = had; ;) {
      // Ollama leaves out a zero.
      yield completed === 0 ? line : { ...line, completed };
      if (completed === total) return;
      if (pullRate > 0) await until(performance.now() + PROGRESS_MS, gone);
      gone.throwIfAborted();
      const seconds = (performance.now() - begun) / 1000;
      const came = pullRate === 0 ? total : Math.floor(seconds * pullRate * BYTES_PER_MB);
      completed = Math.min(had + came, total);
      this.#blobs.set(digest, completed);
    }
  }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const sameAs = (name: string) => (other: string) => other.toLowerCase() === name.toLowerCase();
