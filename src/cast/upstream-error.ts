import type { IncomingHttpHeaders } from 'node:http';
import { CastError, type CastErrorOptions, type ErrorCode } from '../protocol/errors.js';
import { retryAfter } from './retry-after.js';

const OUT_OF_MEMORY =
  /out.of.(device )?memory|cudaMalloc failed|hipMalloc failed|failed to allocate|allocation failed|not enough memory|insufficient memory/i;
const CONTEXT =
  /context.{0,3}(length|size|window)|exceeds? the (available )?context|prompt is (too long|longer)|maximum context|too many (input )?tokens/i;
const MODEL_MISSING =
  /model ['"`].{0,300}?['"`] (not found|does not exist)|model_not_found|model not (found|exist)|is not a valid model|no healthy deployments? for this model|invalid model: |invalid model name passed|pull model manifest: file does not exist/is;
/** Of those, what also a server error may say. */
const MODEL_MISSING_ANYWHERE = /^(litellm\.\w+: )?model ['"`].{1,300}?['"`] not found/i;
const NOTHING_TO_PULL = /pull model manifest: file does not exist/i;
/** Ways to say that a model takes no images, whatever the status. */
const NO_IMAGES =
  /image input is not supported|(not|n't) support (image|vision|multi-?modal)|multi-?modal (data|input)s? (provided|is not|are not)|no endpoints found that support image|image_url.{0,40}(only supported|not supported|expected .?text)|(images?|vision|multi-?modal)( inputs?)? (is|are) not supported|at most 0 images?|not a (vision|multi-?modal) model|provide the mmproj|cannot (process|handle|read|accept) images?/i;
const CAPABILITY = /does not support (chat|generate|thinking|tools|insert)\b/i;
/** Refusals that servers send with a status of 500: the same request will never succeed. */
const REFUSAL =
  /(does|do) not support|n't support\b|(is|are) not supported|unsupported (parameter|value|content|role|type|message)|invalid_request|failed to (parse|validate) (messages?|tools?|tool_choice|grammar|request|input|json|response_format)|missing '|parse error at line|json\.exception|roles must alternate|requires --jinja|schema conversion failed|unrecognized schema|unable to generate parser|invalid (grammar|json schema|role|message|tool|parameter|value)|error rendering prompt|template error/i;
/** The same, but told as `upstream_error` ever since. llama.cpp says such with 501 too. */
const WRONG_REQUEST = /must be of type|invalid format/i;
/** Says that the model will be there soon; "error loading model" does not. */
const LOADING =
  /\bloading\b|warming up|is starting|still (being )?(loaded|starting)|not ready yet|initializing/i;
const IS_LOADING = /(is|currently|still) (currently |still |being )?load(ing|ed)\b/i;
const QUOTA = /quota|billing|insufficient.?(balance|credits?)/i;
/** A limit that time lifts, also where the text speaks of a quota. */
const PER_TIME =
  /per.?(second|minute|hour|day)|\b[rt]p[smhd]\b|(try again|retry) (in|after) \d|requests? limit|rate.?limit/i;
const TOO_MANY = /rate.?limit|too many requests/i;
const WRONG_KEY = /invalid.?api.?key|authentication_error|incorrect api key/i;
/** LiteLLM without a database, where the key is not its master key. */
const UNKNOWN_KEY = /no connected db|no_db_connection/i;
/** All that LiteLLM says where it was sent no key. */
const NO_REASON = /^internal server error$/i;

const MAY_WANT_KEY = 'The model server failed and did not say why. It may want a key.';

/** Most characters of a text that are looked at: servers say early what is wrong. */
const TEXT_CHARS = 4_000;

/** Codes of refusals, whose reason clients are to see. */
const REASONED: ReadonlySet<ErrorCode> = new Set(['upstream_rejected', 'context_overflow']);

/**
 * Names what an upstream said went wrong. Total: every status and text has a code. The text itself
 * stays in `cause`, for the log: it may hold addresses, keys, paths or the prompt.
 * @param status HTTP status, or undefined for an error inside a 200 stream
 * @param said the text with its type and code
 * @param reason the text alone: why it refused, for the client once it is redacted
 */
export function upstreamError(
  status: number | undefined,
  said: string,
  headers: IncomingHttpHeaders = {},
  reason = said,
): CastError {
  const text = said.slice(0, TEXT_CHARS);
  const found = nameOf(status, text, headers);
  const isFinal = found.code === 'upstream_error' && found.retryable === false;
  const options: CastErrorOptions = {
    ...(found.message !== undefined && { message: found.message }),
    ...(found.retryable !== undefined && { retryable: found.retryable }),
    ...((REASONED.has(found.code) || isFinal) && { said: reason.slice(0, TEXT_CHARS) }),
    ...(status !== undefined && { upstreamStatus: status }),
    cause: new Error(`${status ?? 'in the stream'}: ${text}`),
  };
  const retryAfterMs = retryAfter(headers, found.code === 'upstream_rate_limited' ? text : '');
  if (retryAfterMs !== undefined) options.retryAfterMs = retryAfterMs;
  return new CastError(found.code, options);
}

interface Named {
  code: ErrorCode;
  message?: string;
  retryable?: boolean;
}

function nameOf(status: number | undefined, text: string, headers: IncomingHttpHeaders): Named {
  const isFailure = status !== undefined && status >= 500;
  if (isFailure ? MODEL_MISSING_ANYWHERE.test(text) : MODEL_MISSING.test(text)) {
    const isPull = NOTHING_TO_PULL.test(text);
    return {
      code: 'model_not_found',
      ...(isPull && { message: 'The registry has no model of this name.' }),
    };
  }
  if (status !== 401 && status !== 403 && NO_IMAGES.test(text)) {
    return { code: 'upstream_rejected', message: 'The model does not support images.' };
  }
  return byStatus(status, text, headers) ?? byText(status, text);
}

function byStatus(
  status: number | undefined,
  text: string,
  headers: IncomingHttpHeaders,
): Named | undefined {
  switch (status) {
    case 400:
      return UNKNOWN_KEY.test(text) ? unknownKey() : undefined;
    case 500:
      return NO_REASON.test(text) ? { code: 'upstream_error', message: MAY_WANT_KEY } : undefined;
    case 401:
      return { code: 'upstream_unauthorized' };
    case 403:
      return { code: 'upstream_forbidden' };
    case 404:
      return { code: 'upstream_not_found' };
    case 408:
    case 504:
      return { code: 'upstream_timeout' };
    case 402:
      return { code: 'upstream_quota_exceeded' };
    case 429:
      return QUOTA.test(text) && !PER_TIME.test(text)
        ? { code: 'upstream_quota_exceeded' }
        : { code: 'upstream_rate_limited' };
    case 503:
      return { code: LOADING.test(text) ? 'upstream_loading' : 'upstream_busy' };
    case undefined:
      if (UNKNOWN_KEY.test(text)) return unknownKey();
      if (WRONG_KEY.test(text)) return { code: 'upstream_unauthorized' };
      return TOO_MANY.test(text) ? { code: 'upstream_rate_limited' } : undefined;
    default:
      return status >= 300 && status <= 399 ? redirect(headers.location) : undefined;
  }
}

function byText(status: number | undefined, text: string): Named {
  if (OUT_OF_MEMORY.test(text)) return { code: 'upstream_out_of_memory' };
  if (CONTEXT.test(text)) return { code: 'context_overflow' };
  const capability = CAPABILITY.exec(text)?.[1];
  const lacking =
    capability === undefined ? {} : { message: `The model does not support ${capability}.` };
  if (status !== undefined && status < 500) return { code: 'upstream_rejected', ...lacking };
  if (IS_LOADING.test(text)) return { code: 'upstream_loading' };
  if (status === 501 || WRONG_REQUEST.test(text)) {
    return { code: 'upstream_error', retryable: false };
  }
  return REFUSAL.test(text)
    ? { code: 'upstream_rejected', ...lacking }
    : { code: 'upstream_error' };
}

function unknownKey(): Named {
  return {
    code: 'upstream_unauthorized',
    message: "The model server does not know llm-cast's key.",
  };
}

/** Names where a redirect points: the host alone, for a path may hold what is private. */
function redirect(location: string | undefined): Named {
  const host =
    location !== undefined && URL.canParse(location) ? new URL(location).hostname : undefined;
  const where = location === undefined ? '' : ` to ${host ?? 'another path of its host'}`;
  return {
    code: 'upstream_rejected',
    message: `The model server answers with a redirect${where}; redirects are not followed.`,
  };
}
