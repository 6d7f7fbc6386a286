import type { Generation } from '../../generations/generation.js';
import { ResponseEvents, type ResponseFacts, type ResponseObject } from './response-events.js';
import type { ResponseNote } from './response-note.js';

export function factsOf(generation: Generation): ResponseFacts {
  const { id, model, createdAt, waited } = generation;
  return { id, model, createdAt, waited, note: generation.note as ResponseNote };
}

/** The response as it is now. */
export function responseOf(generation: Generation): ResponseObject {
  const { log } = generation;
  const events = new ResponseEvents(factsOf(generation));
  for (let after = 0; after < log.seq;) {
    const entry = log.read(after);
    events.entry(entry);
    after = entry.seq;
  }
  return events.response(generation.state === 'queued' ? 'queued' : 'in_progress');
}
