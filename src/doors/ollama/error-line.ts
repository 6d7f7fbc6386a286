import { type Refused, sentenceOf } from '../refused.js';

/** An error as the clients of Ollama read it, as a body and as the last line of a stream. */
export interface ErrorLine {
  /** A sentence for people, and our code in brackets: clients hand on this one text. */
  error: string;
  code: Refused['code'];
}

export function errorLine(refused: Refused): ErrorLine {
  return { error: `${sentenceOf(refused)} (${refused.code})`, code: refused.code };
}
