import type { Asked } from '../../generations/asked.js';
import { chatFields } from '../../protocol/model-fields.js';
import { notServed } from '../refused.js';
import type { ChatBody } from './chat-body.js';
import { messagesOf } from './messages.js';
import { checked } from './checked.js';
import { checkServed } from './not-served.js';
import { effortOf } from './effort.js';

/** What a chat completion calls fields of ours. */
export const NAMES = {
  'options.num_predict': 'max_completion_tokens',
  format: 'response_format',
  think: 'reasoning_effort',
};

type ChatFields = Extract<Asked, { endpoint: 'chat' }>;

/**
 * A chat completion in our own words.
 * @throws CastError `invalid_request`, with the field as OpenAI calls it
 */
export function chatRequest(body: ChatBody): ChatFields {
  checkServed(body);
  const most = body.max_completion_tokens ?? body.max_tokens;
  const options = {
    temperature: body.temperature,
    top_p: body.top_p,
    top_k: body.top_k,
    min_p: body.min_p,
    seed: body.seed,
    stop: typeof body.stop === 'string' ? [body.stop] : body.stop,
    presence_penalty: body.presence_penalty,
    frequency_penalty: body.frequency_penalty,
    num_predict: most,
  };
  const fields = checked(
    chatFields,
    {
      model: body.model,
      messages: messagesOf(body.messages),
      tools: body.tools,
      tool_choice: body.tool_choice,
      parallel_tool_calls: body.parallel_tool_calls,
      format: formatOf(body.response_format),
      strict: body.response_format?.json_schema?.strict,
      think: effortOf(body.reasoning_effort, 'reasoning_effort'),
      options: defined(options),
    },
    NAMES,
  );
  return { endpoint: 'chat', ...fields };
}

function formatOf(
  format: ChatBody['response_format'],
): 'json' | Record<string, unknown> | undefined {
  switch (format?.type) {
    case undefined:
    case 'text':
      return undefined;
    case 'json_object':
      return 'json';
    case 'json_schema': {
      const schema = format?.json_schema?.schema;
      if (schema === undefined) throw notServed('response_format.json_schema.schema', 'required');
      return schema;
    }
    default:
      throw notServed('response_format.type', 'text, json_object or json_schema');
  }
}

/** Without the fields that are not set. */
export function defined(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
