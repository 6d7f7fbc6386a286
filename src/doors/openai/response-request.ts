import type { Asked } from '../../generations/asked.js';
import { chatFields, type ChatFields } from '../../protocol/model-fields.js';
import { notServed } from '../refused.js';
import { defined } from './chat-request.js';
import { checked } from './checked.js';
import { effortOf } from './effort.js';
import { checkServed, RESPONSE_NOT_SERVED } from './not-served.js';
import type { ResponseBody } from './response-body.js';
import { inputMessages } from './response-input.js';
import type { ResponseNote } from './response-note.js';

/** What a response calls fields of ours. */
export const NAMES = {
  'options.num_predict': 'max_output_tokens',
  format: 'text.format',
  think: 'reasoning.effort',
};

/**
 * A response in our own words, and what is kept with it.
 * @param before the conversation that it goes on from (`previous_response_id`)
 * @throws CastError `invalid_request`, with the field as OpenAI calls it
 */
export function responseRequest(
  body: ResponseBody,
  before: ChatFields['messages'],
): { asked: Extract<Asked, { endpoint: 'chat' }>; note: ResponseNote } {
  checkServed(body, RESPONSE_NOT_SERVED);
  const { instructions, background = false, store = true } = body;
  // Without being kept it could not be read: OpenAI refuses it too.
  if (background && !store) throw notServed('store', 'must be true with background');
  const messages = [...before, ...inputMessages(body.input, before)];
  const system: ChatFields['messages'] =
    instructions === undefined ? [] : [{ role: 'system', content: instructions }];
  const fields = checked(
    chatFields,
    {
      model: body.model,
      messages: [...system, ...messages],
      tools: body.tools?.map(toolOf),
      tool_choice: choiceOf(body.tool_choice),
      parallel_tool_calls: body.parallel_tool_calls,
      format: formatOf(body.text),
      strict: body.text?.format?.strict,
      think: effortOf(body.reasoning?.effort, 'reasoning.effort'),
      options: defined({
        temperature: body.temperature,
        top_p: body.top_p,
        num_predict: body.max_output_tokens,
      }),
    },
    NAMES,
  );
  if (messages.length === 0) throw notServed('input', 'must not be empty');
  const note: ResponseNote = {
    door: 'openai.response',
    isStored: store,
    messages,
    echo: {
      background,
      instructions: instructions ?? null,
      max_output_tokens: body.max_output_tokens ?? null,
      metadata: body.metadata ?? {},
      parallel_tool_calls: body.parallel_tool_calls ?? true,
      previous_response_id: body.previous_response_id ?? null,
      reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
      store,
      temperature: body.temperature ?? null,
      text: body.text ?? { format: { type: 'text' } },
      tool_choice: body.tool_choice ?? 'auto',
      tools: body.tools ?? [],
      top_p: body.top_p ?? null,
      truncation: 'disabled',
      user: body.user ?? null,
    },
  };
  return { asked: { endpoint: 'chat', ...fields }, note };
}

/** Here the function stands beside the type; in chat completions, and for models, inside. */
function toolOf({ type, ...called }: { type: string }, at: number): object {
  if (type !== 'function') throw notServed(`tools.${at}.type`, 'only functions');
  return { type, function: called };
}

function choiceOf(choice: unknown): unknown {
  if (typeof choice !== 'object' || choice === null) return choice;
  const { type, ...called } = choice as { type?: unknown };
  return { type, function: called };
}

function formatOf(text: ResponseBody['text']): 'json' | Record<string, unknown> | undefined {
  switch (text?.format?.type) {
    case undefined:
    case 'text':
      return undefined;
    case 'json_object':
      return 'json';
    case 'json_schema':
      if (text?.format?.schema === undefined) throw notServed('text.format.schema', 'required');
      return text.format.schema;
    default:
      throw notServed('text.format.type', 'text, json_object or json_schema');
  }
}
