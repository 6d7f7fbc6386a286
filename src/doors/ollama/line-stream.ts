import type { Generation } from '../../generations/generation.js';
import type { Wording } from '../../http/streamed-response.js';
import type { StreamState } from '../../protocol/stream-state.js';
import { refusedBy } from '../refused.js';
import { errorLine } from './error-line.js';
import { LineRenderer } from './line-renderer.js';

/** Shortest time between two lines that tell the place in the line, in milliseconds. */
const QUEUE_LINE_MS = 1_000;

/** A generation as NDJSON. The lines of the waiting line are none of the log's. */
export function lineStream(generation: Generation): Wording {
  const renderer = new LineRenderer(generation);
  let now: StreamState | undefined;
  let told: number | undefined;
  let toldAt = -Infinity;
  const waiting = (): string => {
    if (now?.position === undefined) return '';
    told = now.position;
    toldAt = performance.now();
    return written(renderer.waiting(now.position, now.etaMs, new Date().toISOString()));
  };
  return {
    door: 'ollama',
    contentType: 'application/x-ndjson',
    entry: (entry) => renderer.lines(entry).map(written).join(''),
    state: (state) => {
      now = state;
      const isNews = state.position !== told && performance.now() - toldAt >= QUEUE_LINE_MS;
      return isNews ? waiting() : '';
    },
    heartbeat: () => waiting() || written(renderer.silence(new Date().toISOString())),
    broken: (reason) => written(errorLine(refusedBy(reason))),
  };
}

function written(line: object): string {
  return `${JSON.stringify(line)}\n`;
}
