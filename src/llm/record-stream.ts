import type { Generation } from '../generations/generation.js';
import type { Wording } from '../http/streamed-response.js';
import { RecordRenderer } from '../socket/record-renderer.js';

/**
 * The records of a generation as Server-Sent Events (WHATWG HTML, section 9.2): `id:` is the seq and
 * `data:` the record, under no event name. Comments show that the server lives.
 */
export function recordStream(generation: Generation): Wording {
  const renderer = new RecordRenderer(generation);
  return {
    door: 'sse',
    contentType: 'text/event-stream',
    entry: (entry) => `id: ${entry.seq}\ndata: ${JSON.stringify(renderer.render(entry))}\n\n`,
    state: () => '',
    heartbeat: () => ': still here\n\n',
    // A client comes back with a new token.
    broken: () => '',
  };
}
