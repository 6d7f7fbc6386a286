import { CastError } from '../../protocol/errors.js';
import type { FinishReason } from '../../protocol/usage.js';

/** What servers say of an answer that they could not finish. */
const FAILED = /^(error|abort|aborted|failed|network_error|malformed_function_call)$/i;
/** The same, for want of room (DeepSeek). */
const NO_ROOM = /^(insufficient_system_resource|engine_overloaded|overloaded)$/i;
/** What they say of an answer that ended, beside OpenAI's own words. */
const REASONS: readonly (readonly [said: RegExp, reason: FinishReason])[] = [
  // vLLM says `stop` for a tool that was asked for by name.
  [/^(stop|stop_sequence|eos|eos_token|end_turn|complete|completed|finished)$/i, 'stop'],
  [/^(length|max_tokens|max_length|model_length|model_context_window_exceeded)$/i, 'length'],
  [
    /^(content_filter|sensitive|safety|recitation|blocklist|prohibited_content|spii)$/i,
    'content_filter',
  ],
  [/^(tool_calls?|tool_use|function_call)$/i, 'tool_calls'],
];

/** @throws CastError for the end of an answer that is none, whatever `[DONE]` says */
export function checkFinish(said: unknown): void {
  if (typeof said !== 'string') return;
  if (FAILED.test(said)) throw new CastError('upstream_error');
  if (NO_ROOM.test(said)) throw new CastError('upstream_busy');
}

/** Why an answer ended, in our words. */
export function finishReason(said: unknown, calledTools: boolean): FinishReason {
  const reason = REASONS.find(([words]) => words.test(String(said)))?.[1] ?? 'unknown';
  return reason === 'stop' && calledTools ? 'tool_calls' : reason;
}
