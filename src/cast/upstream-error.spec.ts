import * as fc from 'fast-check';
import { ERRORS } from '../protocol/errors.js';
import type { ErrorCode } from '../protocol/errors.js';
import { upstreamError } from './upstream-error.js';

const RUNNER_DIED =
  'model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check ollama server logs for details';
const PROMPT_TOO_LONG =
  'the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the context length in settings, or use a model with a longer context length';

type Row = [
  status: number | undefined,
  text: string,
  code: ErrorCode,
  retryable: 'retry' | 'do not',
];

/** Texts of `reference/upstream-wire.md`, sections 2.1, 2.4 and 3.4. */
const table: Row[] = [
  // Ollama, before the stream
  [400, 'missing request body', 'upstream_rejected', 'do not'],
  [400, 'model is required', 'upstream_rejected', 'do not'],
  [400, 'invalid model name', 'upstream_rejected', 'do not'],
  [400, 'time: missing unit in duration "300"', 'upstream_rejected', 'do not'],
  [400, 'raw mode does not support template, system, or context', 'upstream_rejected', 'do not'],
  [400, '"m" does not support thinking', 'upstream_rejected', 'do not'],
  [400, PROMPT_TOO_LONG, 'context_overflow', 'do not'],
  [401, 'unauthorized', 'upstream_unauthorized', 'do not'],
  [403, 'ollama cloud is disabled: remote model is unavailable', 'upstream_forbidden', 'do not'],
  [403, '', 'upstream_forbidden', 'do not'],
  [404, "model '' not found", 'model_not_found', 'do not'],
  [404, "model 'nope:latest' not found", 'model_not_found', 'do not'],
  [404, 'model "e:1" not found, try pulling it first', 'model_not_found', 'do not'],
  [404, '404 page not found', 'upstream_not_found', 'do not'],
  [405, '405 method not allowed', 'upstream_rejected', 'do not'],
  [429, 'too many requests', 'upstream_rate_limited', 'retry'],
  [500, 'option "num_ctx" must be of type integer', 'upstream_error', 'do not'],
  [500, 'invalid format: "yaml"; expected "json"', 'upstream_error', 'do not'],
  [502, 'Post "https://ollama.com:443/api/chat": unexpected EOF', 'upstream_error', 'retry'],
  [
    503,
    'server busy, please try again.  maximum pending requests exceeded',
    'upstream_busy',
    'retry',
  ],
  // Ollama, crash and memory, before the stream and in it
  [500, RUNNER_DIED, 'upstream_error', 'retry'],
  [undefined, `${RUNNER_DIED}: exit status 2`, 'upstream_error', 'retry'],
  [
    undefined,
    'an error was encountered while running the model: unexpected EOF',
    'upstream_error',
    'retry',
  ],
  [500, 'llama-server process has terminated: signal: killed', 'upstream_error', 'retry'],
  [500, 'timed out waiting for llama-server to start - progress 0.5', 'upstream_error', 'retry'],
  [500, 'unable to load full model on GPU', 'upstream_error', 'retry'],
  [undefined, 'mlx runner failed: exit status 1', 'upstream_error', 'retry'],
  [undefined, 'llama-server response stream event exceeded 8 MB limit', 'upstream_error', 'retry'],
  [500, 'llama-server reported out-of-memory during startup: x', 'upstream_out_of_memory', 'retry'],
  ...[
    'out of memory',
    'out of device memory',
    'cudaMalloc failed',
    'hipMalloc failed',
    'failed to allocate',
    'allocation failed',
    'not enough memory',
    'insufficient memory',
  ].flatMap((word): Row[] => [
    [500, `${RUNNER_DIED}: ${word} (0x1)`, 'upstream_out_of_memory', 'retry'],
    [undefined, `error: ${word.toUpperCase()}`, 'upstream_out_of_memory', 'retry'],
  ]),
  [undefined, 'pull model manifest: file does not exist', 'model_not_found', 'do not'],
  // gateways and OpenAI-compatible servers
  [400, 'request (9000 tokens) exceeds the available context size', 'context_overflow', 'do not'],
  [undefined, 'the request exceeds the available context size', 'context_overflow', 'do not'],
  [402, 'insufficient balance', 'upstream_quota_exceeded', 'do not'],
  [404, 'The model `gpt-x` does not exist', 'model_not_found', 'do not'],
  [408, '', 'upstream_timeout', 'do not'],
  [429, 'Rate limit reached for requests', 'upstream_rate_limited', 'retry'],
  [
    429,
    'You exceeded your current quota, please check your plan and billing details.',
    'upstream_quota_exceeded',
    'do not',
  ],
  [500, 'The server had an error while processing your request', 'upstream_error', 'retry'],
  [502, '<html><h1>502 Bad Gateway</h1></html>', 'upstream_error', 'retry'],
  [503, '', 'upstream_busy', 'retry'],
  [503, 'Loading model', 'upstream_loading', 'retry'],
  [504, '', 'upstream_timeout', 'do not'],
  [undefined, 'decode failed', 'upstream_error', 'retry'],
];

describe('upstreamError', () => {
  it.each(table)('%s %j is %s: %s', (status, text, code, retryable) => {
    expect(upstreamError(status, text)).toMatchObject({ code, retryable: retryable === 'retry' });
  });

  it.each([
    ['"m" does not support chat', 'chat'],
    ['"m" does not support generate', 'generate'],
    ['"demo:1b" does not support thinking', 'thinking'],
    ['registry.ollama.ai/library/m:tag does not support tools', 'tools'],
  ])('says which capability the model lacks: %j', (text, capability) => {
    expect(upstreamError(400, text).message).toBe(`The model does not support ${capability}.`);
  });

  it('keeps status and text in the cause, for the log', () => {
    expect(upstreamError(503, 'server busy').cause).toEqual(new Error('503: server busy'));
    expect(upstreamError(undefined, 'EOF').cause).toEqual(new Error('in the stream: EOF'));
  });

  it('answers every status and text with a known code and none of the words', () => {
    const status = fc.option(fc.integer({ min: 100, max: 999 }), { nil: undefined });
    const known = fc.constantFrom(...table.map(([, text]) => text));
    const text = fc.array(fc.oneof(known, fc.string({ unit: 'binary' }))).map((all) => all.join());
    fc.assert(
      fc.property(status, text, (code, said) => {
        const error = upstreamError(code, said);
        expect([
          ERRORS[error.code].message,
          ...['chat', 'generate', 'thinking', 'tools', 'images'].map(
            (name) => `The model does not support ${name}.`,
          ),
          'The registry has no model of this name.',
          'The model server answers with a redirect; redirects are not followed.',
        ]).toContain(error.message);
      }),
    );
  });

  it('is quick with a long text: nobody else is served meanwhile', () => {
    // An error line may be as long as MAX_LINE_BYTES.
    for (const words of ["model '", 'context ', 'does not support ', 'out of ', 'x']) {
      const text = words.repeat(262_144 / words.length);
      const begun = process.cpuUsage();
      upstreamError(undefined, text);
      expect(process.cpuUsage(begun).user).toBeLessThan(1_000_000);
    }
  });
});

describe('a refusal', () => {
  const MULTIMODAL = 'Multimodal data provided, but model does not support multimodal requests.';

  it.each<[status: number, text: string]>([
    [
      500,
      'image input is not supported - hint: you may need to provide the mmproj server_error 500',
    ],
    [400, MULTIMODAL],
    [500, MULTIMODAL],
    [501, 'this model does not support images'],
    [422, 'this model does not support vision'],
    [400, 'Invalid content type. image_url is only supported by certain models.'],
    [400, 'messages[0]: unknown variant `image_url`, expected `text` at line 1'],
    [400, 'At most 0 image(s) may be provided in one request.'],
    [400, 'smol is not a multimodal model'],
    [404, 'No endpoints found that support image input'],
    [500, "This model can't process images: images are not supported"],
  ])('of images is named so, whatever its status: %d %s', (status, text) => {
    expect(upstreamError(status, text)).toMatchObject({
      code: 'upstream_rejected',
      retryable: false,
      message: 'The model does not support images.',
      said: text,
    });
  });

  it.each([
    "Failed to parse messages: Missing 'role' in message: {}",
    'registry.ollama.ai/library/m:latest does not support tools',
    'Conversation roles must alternate user/assistant/user/assistant/...',
    'tools param requires --jinja flag',
    '[json.exception.parse_error.101] parse error at line 1, column 3',
    'JSON schema conversion failed: Unrecognized schema: {"type":"nonsense"}',
    'Unsupported parameter: x',
    'litellm.BadRequestError: invalid_request_error',
    'This model does not support the response_format',
  ])('that comes as a 500 is a refusal: %s', (text) => {
    const error = upstreamError(500, text);
    expect(error).toMatchObject({ code: 'upstream_rejected', retryable: false, said: text });
  });

  it.each([
    'llama-server process has terminated: exit status 1',
    'CUDA error: invalid argument',
    'tensor "blk.2.ffn_up.weight" offset+size (60125248) exceeds file size (60000000)',
    'error loading model: unable to load model',
    'error starting llama-server: llama-server binary not found',
    'litellm.InternalServerError: OpenAIException - Connection error.',
    'Internal Server Error',
  ])('is not what a server that failed says: %s', (text) => {
    expect(upstreamError(500, text)).toMatchObject({ code: 'upstream_error', retryable: true });
  });

  it.each<[number | undefined, string, ErrorCode]>([
    [400, 'No connected db. no_db_connection 400', 'upstream_unauthorized'],
    [undefined, 'No connected db.', 'upstream_unauthorized'],
    [undefined, 'invalid_api_key', 'upstream_unauthorized'],
    [undefined, 'rate limit (1002)', 'upstream_rate_limited'],
    [500, 'model "x" not found, try pulling it first', 'model_not_found'],
    [400, 'litellm: There are no healthy deployments for this model', 'model_not_found'],
    [400, 'x is not a valid model ID', 'model_not_found'],
    [400, 'Model Not Exist', 'model_not_found'],
    [500, 'model is currently loading, please retry', 'upstream_loading'],
    [503, 'Model m is currently loading', 'upstream_loading'],
    [503, 'the server is warming up', 'upstream_loading'],
    [503, 'The model is overloaded', 'upstream_busy'],
  ])('%s %j is %s', (status, text, code) => {
    expect(upstreamError(status, text).code).toBe(code);
  });

  it('of a pull does not say that the model is not installed', () => {
    expect(upstreamError(undefined, 'pull model manifest: file does not exist').message).toBe(
      'The registry has no model of this name.',
    );
  });

  it('tells its reason without the labels; a failure tells none', () => {
    expect(upstreamError(400, 'no t c', {}, 'no')).toMatchObject({ said: 'no' });
    for (const status of [401, 403, 404, 429, 500, 502, 503]) {
      expect(upstreamError(status, 'sk-1 at /usr/share').said).toBeUndefined();
    }
  });
});

describe('a redirect', () => {
  it.each([
    ['https://me:secret@Login.example.com:8443/path?token=1', ' to login.example.com'],
    ['/login?next=secret', ' to another path of its host'],
    [undefined, ''],
  ])('is named with the host alone: %s', (location, where) => {
    expect(upstreamError(302, 'x', location === undefined ? {} : { location })).toMatchObject({
      code: 'upstream_rejected',
      retryable: false,
      message: `The model server answers with a redirect${where}; redirects are not followed.`,
    });
  });
});

describe('a 429', () => {
  it.each([
    ['You exceeded your current quota: 10 requests per minute', undefined],
    ['Quota exceeded for quota metric "x" and limit "y per day"', undefined],
    ['You exceeded your current quota. Please retry in 32.5s.', 32_500],
    ['Rate limit reached for gpt: Limit 3, Used 3. Please try again in 20s. See billing', 20_000],
    ['Rate limit reached, try again in 1m30.5s', 90_500],
    ['Please retry after 24 seconds; to increase your quota, see x', 24_000],
    ['try again in 250ms, check your billing', 250],
    ['quota of 200 RPM', undefined],
  ])('that time lifts is a rate limit, also where it speaks of a quota: %s', (text, waitMs) => {
    expect(upstreamError(429, text)).toMatchObject({
      code: 'upstream_rate_limited',
      retryable: true,
      retryAfterMs: waitMs,
    });
  });

  it.each([
    'You exceeded your current quota, please check your plan and billing details.',
    'insufficient_quota',
    'Insufficient Balance',
  ])('of a quota that is used up is final: %s', (text) => {
    expect(upstreamError(429, text)).toMatchObject({
      code: 'upstream_quota_exceeded',
      retryable: false,
    });
  });

  it('says in milliseconds when to come back, where it can', () => {
    const headers = { 'retry-after': '2', 'retry-after-ms': '1750' };
    expect(upstreamError(429, 'x', headers).retryAfterMs).toBe(1_750);
  });
});

describe('Retry-After', () => {
  const after = (value: string): number | undefined =>
    upstreamError(429, 'too many requests', { 'retry-after': value }).retryAfterMs;

  it('is read in seconds', () => {
    expect([after('7'), after('0'), after('3600')]).toEqual([7_000, 0, 3_600_000]);
  });

  it('is read as a date; one that has passed means now', () => {
    const inAMinute = new Date(Date.now() + 60_000).toUTCString();
    expect(after(inAMinute)).toBeGreaterThan(30_000);
    expect(after(inAMinute)).toBeLessThanOrEqual(60_000);
    expect(after('Sun, 06 Nov 1994 08:49:37 GMT')).toBe(0);
  });

  it.each(['', 'soon', '-1', '1.5', 'NaN'])('is unknown where it is neither: %j', (value) => {
    expect(after(value)).toBeUndefined();
  });

  it('is unknown where the upstream does not say', () => {
    expect(upstreamError(503, 'server busy').retryAfterMs).toBeUndefined();
  });
});
