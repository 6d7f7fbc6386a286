import { smallerLimit } from './smaller-limit.js';

const CONTEXT = [
  // vLLM, old and new; SGLang; OpenRouter; TGI; LiteLLM in front of one.
  "This model's maximum context length is 2048 tokens. However, you requested 4126 tokens (30 in the messages, 4096 in the completion). Please reduce the length of the messages or completion.",
  "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 2048 tokens and your request has 30 input tokens (4096 > 2048 - 30).",
  "Requested token count exceeds the model's maximum context length of 2048 tokens. You requested a total of 4126 tokens: 30 tokens from the input messages and 4096 tokens for the completion.",
  "This endpoint's maximum context length is 2048 tokens. However, you requested about 4126 tokens (30 of text input, 4096 in the output).",
  'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 30 `inputs` tokens and 4096 `max_new_tokens`',
  "litellm.ContextWindowExceededError: This model's maximum context length is 2048 tokens. However, your messages resulted in 30 tokens and you asked for 4096.",
];
const MOST = [
  // OpenAI, Groq, DeepSeek, Qwen, Anthropic, others.
  'max_tokens is too large: 4096. This model supports at most 2048 completion tokens, whereas you provided 4096.',
  '`max_tokens` must be less than or equal to `2048`, the maximum value for `max_tokens` is less than the `context_window` for this model',
  'Invalid max_tokens value, the valid range of max_tokens is [1, 2048]',
  '<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1,2048]',
  'max_tokens: 4096 > 2048, which is the maximum allowed number of output tokens for claude',
  'max_completion_tokens must be between 1 and 2048',
  'max_new_tokens must be <= 2048. Given: 4096',
];

describe('smallerLimit', () => {
  it.each(CONTEXT)('takes what the prompt leaves of the context: %s', (said) => {
    expect(smallerLimit(said, 4096)).toEqual({ most: 2018, isOfPrompt: true });
  });

  it.each(MOST)('takes what the model may be asked for: %s', (said) => {
    expect(smallerLimit(said, 4096)).toEqual({ most: 2048, isOfPrompt: false });
  });

  it.each([
    // The prompt alone is too long.
    "This model's maximum context length is 2048 tokens. However, you requested 6096 tokens (2050 in the messages, 4046 in the completion).",
    "This model's maximum context length is 2048 tokens. However, your messages resulted in 3000 tokens.",
    'the request exceeds the available context size (2048 tokens)',
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    'at most 4 images',
    'temperature must be between 0 and 2',
    'max_tokens must be an integer',
    '',
  ])('says nothing of anything else: %s', (said) => {
    expect(smallerLimit(said, 4096)).toBeUndefined();
  });

  it('never asks for as much again', () => {
    for (const said of [...CONTEXT, ...MOST]) expect(smallerLimit(said, 2018)).toBeUndefined();
  });
});
