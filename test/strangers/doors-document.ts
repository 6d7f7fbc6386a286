/**
 * The doors of other people's clients, as far as schemathesis must know them to ask everything: the
 * fields that it shall try, and the answers that docs/doors.md promises.
 */

const text = { type: 'string', maxLength: 40 };
const any = {};
const maybe = (schema: object): object => ({ anyOf: [schema, { type: 'null' }] });
const list = (items: object): object => ({ type: 'array', items, maxItems: 3 });
const object = (properties: Record<string, object>, required: string[] = []): object => ({
  type: 'object',
  properties,
  required,
});

const callFields = { name: text, arguments: { anyOf: [text, object({ a: any })] } };
const toolCalls = list(object({ id: text, type: text, function: object(callFields) }));
const content = { anyOf: [text, list(object({ type: text, text, image_url: any }))] };
const role = { enum: ['system', 'developer', 'user', 'assistant', 'tool'] };
const tool = object({
  type: { enum: ['function', 'other'] },
  function: object({ name: text, parameters: any }),
});
const number = { type: 'number' };

const openAiMessage = object({ role, content, tool_calls: toolCalls, tool_call_id: text });
const chatCompletion = object({
  model: text,
  messages: list(openAiMessage),
  stream: maybe({ type: 'boolean' }),
  stream_options: any,
  tools: list(tool),
  tool_choice: any,
  response_format: any,
  max_tokens: maybe(number),
  temperature: maybe(number),
  seed: any,
  stop: any,
  n: any,
  logit_bias: any,
  modalities: any,
  reasoning_effort: any,
  user: maybe(text),
});
const response = object({
  model: text,
  input: {
    anyOf: [
      text,
      list(object({ type: text, role, content, call_id: text, name: text, arguments: text })),
    ],
  },
  instructions: maybe(text),
  previous_response_id: maybe(text),
  stream: maybe({ type: 'boolean' }),
  background: maybe({ type: 'boolean' }),
  store: maybe({ type: 'boolean' }),
  text: any,
  tools: list(object({ type: text, name: text, parameters: any })),
  metadata: any,
  reasoning: any,
  max_output_tokens: any,
});
const ollamaMessage = object({ role, content: text, images: list(text), tool_calls: toolCalls });
const common = {
  model: text,
  stream: any,
  format: any,
  think: any,
  options: any,
  keep_alive: any,
};
const ollamaChat = object({ messages: list(ollamaMessage), tools: list(tool), ...common });
const ollamaGenerate = object({ prompt: any, system: any, suffix: any, images: any, ...common });
const part = object({
  type: { enum: ['text', 'reasoning', 'file', 'tool-x', 'dynamic-tool', 'step-start', 'data-x'] },
  text,
  url: text,
  mediaType: text,
  toolCallId: text,
  state: { enum: ['input-available', 'output-available', 'output-error'] },
  input: any,
  output: any,
});
const aiChat = object({
  id: text,
  messages: list(object({ id: text, role, parts: list(part) })),
  tools: any,
  toolChoice: any,
  callSettings: any,
  maxOutputTokens: any,
  responseFormat: any,
});

const ANSWERS = ['200', '400', '403', '404', '405', '409', '413', '415', '429', '431'];
const answers = (types: readonly string[], more: readonly string[] = []): object =>
  Object.fromEntries(
    [...ANSWERS, ...more].map((status) => [
      status,
      status === '204'
        ? { description: status }
        : { description: status, content: Object.fromEntries(types.map((type) => [type, {}])) },
    ]),
  );
const JSON_OR_EVENTS = ['application/json', 'text/event-stream'];
const LINES = ['application/json', 'application/x-ndjson'];
const FRAMES = ['text/plain', 'text/event-stream', 'application/json'];

const post = (body: object, types: readonly string[]): object => ({
  requestBody: { required: true, content: { 'application/json': { schema: body } } },
  responses: answers(types),
});
const id = { name: 'id', in: 'path', required: true, schema: { type: 'string', minLength: 1 } };
const query = (name: string): object => ({ name, in: 'query', schema: { type: 'string' } });
const get = (types: readonly string[], parameters: object[] = []): object => ({
  parameters,
  responses: answers(types, ['204']),
});

export const DOORS = {
  openapi: '3.1.0',
  info: { title: 'doors', version: '1' },
  paths: {
    '/v1/chat/completions': { post: post(chatCompletion, JSON_OR_EVENTS) },
    '/v1/responses': { post: post(response, JSON_OR_EVENTS) },
    '/v1/responses/{id}': {
      get: get(JSON_OR_EVENTS, [id, query('stream'), query('starting_after')]),
    },
    '/v1/responses/{id}/cancel': {
      post: { parameters: [id], responses: answers(['application/json']) },
    },
    '/v1/models': { get: get(['application/json']) },
    '/v1/models/{id}': { get: get(['application/json'], [id]) },
    '/api/chat': { post: post(ollamaChat, LINES) },
    '/api/generate': { post: post(ollamaGenerate, LINES) },
    '/api/show': { post: post(object({ model: any, name: any }), ['application/json']) },
    '/api/tags': { get: get(['application/json']) },
    '/api/ps': { get: get(['application/json']) },
    '/api/version': { get: get(['application/json']) },
    '/ai/chat': { post: post(aiChat, FRAMES) },
    '/ai/chat/{id}/stream': { get: get(FRAMES, [id, query('startIndex'), query('userId')]) },
    '/ai/chat/{id}/stop': { post: { parameters: [id], responses: answers(FRAMES) } },
  },
};
