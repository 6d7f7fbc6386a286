import type { ClientErrorCode, ErrorCode } from 'llm-cast-client';
import type { Failure } from 'llm-cast-client/conversation';

/** A way out of a failure. */
export type Way = 'retry' | 'model' | 'doctor';

/** What a failure means for who reads it. */
export interface Explanation {
  /** In the place of the server's message, where that speaks to programmers. */
  message?: string;
  /** What to do, besides what the server's message says. */
  advice: string;
  ways: readonly Way[];
}

const LATER: Explanation = { advice: 'Try again in a moment.', ways: ['retry'] };
const AGAIN: Explanation = {
  advice: 'What arrived is kept.',
  ways: ['retry'],
};
const GONE: Explanation = {
  message: 'The rest of this answer is gone.',
  advice: 'The server was restarted, or you were away for long. What arrived is kept.',
  ways: ['retry'],
};
const UPSTREAM: Explanation = {
  advice: 'llm-cast itself is running. The doctor says what to mend.',
  ways: ['retry', 'doctor'],
};
const OPERATOR: Explanation = {
  advice: 'Only who runs the server can change this.',
  ways: ['retry', 'doctor'],
};
const KEY: Explanation = { advice: 'Give a new key or token, then ask again.', ways: ['retry'] };
const MODEL: Explanation = { advice: 'Pick another one.', ways: ['model', 'retry'] };
const SHORTEN: Explanation = {
  advice: 'Shorten the question, pick another model, or begin a new conversation.',
  ways: ['model', 'retry'],
};

const EXPLANATIONS: Record<ErrorCode | ClientErrorCode, Explanation> = {
  invalid_request: SHORTEN,
  unauthorized: KEY,
  auth_expired: KEY,
  forbidden: { ...OPERATOR, ways: ['model', 'retry', 'doctor'] },
  client_not_found: AGAIN,
  generation_not_found: GONE,
  not_found: UPSTREAM,
  idempotency_conflict: AGAIN,
  payload_too_large: SHORTEN,
  method_not_allowed: AGAIN,
  unsupported_media_type: AGAIN,
  rate_limited: LATER,
  quota_exceeded: { advice: 'Ask again tomorrow.', ways: ['retry'] },
  queue_full: LATER,
  shutting_down: LATER,
  internal: AGAIN,
  upstream_unreachable: UPSTREAM,
  upstream_rejected: UPSTREAM,
  upstream_unauthorized: OPERATOR,
  upstream_forbidden: OPERATOR,
  upstream_not_found: UPSTREAM,
  model_not_found: MODEL,
  context_overflow: SHORTEN,
  upstream_rate_limited: LATER,
  upstream_quota_exceeded: OPERATOR,
  upstream_busy: LATER,
  upstream_loading: LATER,
  upstream_error: UPSTREAM,
  upstream_out_of_memory: { advice: 'Pick a smaller one.', ways: ['model', 'retry'] },
  upstream_timeout: AGAIN,
  first_byte_timeout: UPSTREAM,
  idle_timeout: AGAIN,
  generation_timeout: AGAIN,
  upstream_truncated: AGAIN,
  upstream_protocol_error: UPSTREAM,
  line_too_long: UPSTREAM,
  bad_content_type: UPSTREAM,
  tool_call_incomplete: AGAIN,
  output_too_large: AGAIN,
  queue_timeout: LATER,
  node_shutdown: AGAIN,
  node_lost: AGAIN,
  store_unavailable: LATER,
  aborted: AGAIN,
  closed: AGAIN,
  unreachable: LATER,
  unanswered: LATER,
  text_damaged: AGAIN,
};

/** A code of a later version, kept by a newer page, is explained too. */
export function explain({ code }: Failure): Explanation {
  return (EXPLANATIONS as Partial<typeof EXPLANATIONS>)[code] ?? AGAIN;
}
