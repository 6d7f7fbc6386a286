import type { Generation } from '../generations/generation.js';
import type { GenerationView } from '../protocol/answers.js';
import { RecordRenderer } from '../socket/record-renderer.js';

/** A generation as `GET /llm/generations/:id` shows it now. */
export function viewOf(generation: Generation): GenerationView {
  const { id, model, log, usage } = generation;
  const { state, position } = generation.status;
  const fields = {
    generationId: id,
    model,
    text: log.all('text'),
    thinking: log.all('thinking'),
    seq: log.seq,
    timings: generation.timings(),
    usage,
  };
  if (log.end === undefined) {
    return { ...fields, state, ...(position !== undefined && { position }) };
  }
  return { ...fields, ...new RecordRenderer(generation).terminal(log.end.seq, log.end.said) };
}
