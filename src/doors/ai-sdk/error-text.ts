import { type Refused, sentenceOf } from '../refused.js';

/** An error as the clients of the AI SDK show it: a sentence for people, our code for programs. */
export function errorText(refused: Refused): string {
  return `${sentenceOf(refused)} (${refused.code})`;
}
