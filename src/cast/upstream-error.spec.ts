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
          ...['chat', 'generate', 'thinking', 'tools'].map(
            (name) => `The model does not support ${name}.`,
          ),
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
