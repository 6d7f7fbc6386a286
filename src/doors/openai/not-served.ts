import { notServed } from '../refused.js';

/** Why a field that would change the answer cannot be honoured; undefined for a value that is no wish. */
type Check = (value: unknown) => string | undefined;

const unless =
  (harmless: (value: unknown) => boolean, why: string): Check =>
  (value) =>
    value === undefined || value === null || harmless(value) ? undefined : why;
const isEmpty = (value: unknown): boolean => Object.keys(value as object).length === 0;

/**
 * Fields that would change the answer and that no upstream behind this server can honour: whoever
 * sends one is told so. Every other field that is not known is ignored (docs/doors.md).
 */
const NOT_SERVED: Readonly<Record<string, Check>> = {
  n: unless((n) => n === 1, 'only one answer to a request'),
  logprobs: unless((on) => on === false, 'probabilities of tokens are not served'),
  top_logprobs: unless((most) => most === 0, 'probabilities of tokens are not served'),
  logit_bias: unless(isEmpty, 'not served'),
  audio: unless(() => false, 'audio is not served'),
  modalities: unless((kinds) => JSON.stringify(kinds) === '["text"]', 'only text'),
  functions: unless(isEmpty, 'use tools'),
  function_call: unless((choice) => choice === 'none' || choice === 'auto', 'use tool_choice'),
  web_search_options: unless(() => false, 'this server searches nothing'),
  verbosity: unless((how) => how === 'medium', 'not served'),
};

/** The same of a response. */
export const RESPONSE_NOT_SERVED: Readonly<Record<string, Check>> = {
  top_logprobs: unless((most) => most === 0, 'probabilities of tokens are not served'),
  conversation: unless(() => false, 'use previous_response_id'),
  prompt: unless(() => false, 'this server keeps no prompts: use instructions and input'),
  truncation: unless((how) => how === 'disabled', 'only disabled: nothing is cut off unsaid'),
  text: unless(
    (text) => [undefined, null, 'medium'].includes((text as { verbosity?: never }).verbosity),
    'verbosity is not served',
  ),
};

/** @throws CastError `invalid_request` that names the first field which is not served */
export function checkServed(
  body: Readonly<Record<string, unknown>>,
  checks: Readonly<Record<string, Check>> = NOT_SERVED,
): void {
  for (const [name, check] of Object.entries(checks)) {
    const why = check(body[name]);
    if (why !== undefined) throw notServed(name, why);
  }
}
