import type { ModelRequest } from '../cast/model-request.js';
import { textsOf } from './asked.js';
import type { Life } from './lifecycle.js';

/** Tokens that an answer is taken to have at most where nobody says how many. */
const USUAL_MOST_TOKENS = 4_096;
/** Characters of a token, about: fewer in most scripts than in English, so that no count is too low. */
const CHARS_PER_TOKEN = 3;

/** The most tokens that a request can use: what it reads, about, and what it may write. */
export function mostTokens(request: ModelRequest): number {
  if (request.endpoint === 'pull') return 0;
  const { num_predict: most = 0 } = request.options ?? {};
  return promptTokens(request) + (most > 0 ? most : USUAL_MOST_TOKENS);
}

/**
 * What an ended generation has used. Where the upstream did not come to say it (it was cut or
 * cancelled), what was read and what stands in the log, and never less than one token an entry; nothing
 * where no upstream was asked.
 */
export function usedTokens({ generation, request }: Life): number {
  const { usage, log, stopwatch } = generation;
  if (usage !== null) return usage.promptTokens + usage.completionTokens;
  if (!stopwatch.hasStarted) return 0;
  const written = log.all('text').length + log.all('thinking').length;
  return promptTokens(request) + Math.max(log.seq - 1, tokensOf(written));
}

function promptTokens(request: ModelRequest): number {
  return tokensOf(textsOf(request).reduce((sum, text) => sum + text.length, 0));
}

function tokensOf(chars: number): number {
  return Math.ceil(chars / CHARS_PER_TOKEN);
}
