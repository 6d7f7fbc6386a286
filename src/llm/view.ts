import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';
import type { Generation } from '../generations/generation.js';
import type { GenerationView } from '../protocol/answers.js';
import { RecordRenderer } from '../socket/record-renderer.js';

/** Characters of text that are written at once, about. */
const PIECE_CHARS = 16_384;

/**
 * Answers with a generation as it is now. An answer may be large and its caller slow, so it is written
 * piece by piece, the next one when the caller has room for it.
 */
export async function sendView(generation: Generation, response: Response): Promise<void> {
  response.status(200).type('json');
  if (response.req.method === 'HEAD') return void response.end();
  const letGo = generation.log.hold();
  try {
    await pipeline(Readable.from(joined(jsonOf(generation))), response);
  } catch (error) {
    // The caller has gone, or was cut: streams say so by a code.
    if (!(error instanceof Error && 'code' in error)) throw error;
  } finally {
    letGo();
  }
}

/** The JSON of a {@link GenerationView}: its texts come last, as they are in the log. */
function* jsonOf(generation: Generation): Generator<string> {
  const { log } = generation;
  const { seq } = log;
  yield JSON.stringify(factsOf(generation)).slice(0, -1);
  for (const kind of ['text', 'thinking', 'refusal'] as const satisfies (keyof GenerationView)[]) {
    if (kind === 'refusal' && log.texts(kind, seq).next().done === true) continue;
    yield `,"${kind}":"`;
    for (const text of log.texts(kind, seq)) {
      for (let at = 0; at < text.length; at += PIECE_CHARS) {
        yield JSON.stringify(text.slice(at, at + PIECE_CHARS)).slice(1, -1);
      }
    }
    yield '"';
  }
  yield '}';
}

type WithoutTexts<View> = View extends unknown
  ? Omit<View, 'text' | 'thinking' | 'refusal'>
  : never;

/** All of a view but its texts. */
function factsOf(generation: Generation): WithoutTexts<GenerationView> {
  const { id, model, log, usage } = generation;
  const { state, position } = generation.status;
  const facts = {
    generationId: id,
    model,
    seq: log.seq,
    timings: generation.timings(),
    usage,
  };
  if (log.end === undefined) {
    return { ...facts, state, ...(position !== undefined && { position }) };
  }
  return { ...facts, ...new RecordRenderer(generation).terminal(log.end.seq, log.end.said) };
}

/** The same text with short pieces joined. */
function* joined(texts: Iterable<string>): Generator<string> {
  let piece = '';
  for (const text of texts) {
    piece += text;
    if (piece.length < PIECE_CHARS) continue;
    yield piece;
    piece = '';
  }
  yield piece;
}
