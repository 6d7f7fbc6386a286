import type { Asked } from '../../generations/asked.js';
import { invalidRequest } from '../../http/validation.js';
import { chatFields } from '../../protocol/model-fields.js';
import { notServed } from '../refused.js';
import type { ChatBody } from './chat-body.js';
import { chatMessages } from './chat-messages.js';
import type { UiMessage } from './ui-message.js';

/** Longest base64 and the like are checked once more, as of our own requests. */
const chat = chatFields.omit({ userId: true });

/**
 * What a request of the AI SDK asks for, in our words.
 * @throws CastError `invalid_request`
 */
export function askedBy(body: ChatBody): Asked {
  const messages = messagesOf(body);
  if (messages.length === 0) throw notServed('messages', 'must have at least one');
  const { system, model, config, think, onDisconnect, responseFormat } = body;
  const rules = system === undefined ? [] : [{ role: 'system' as const, content: system }];
  const checked = chat.safeParse({
    messages: [...rules, ...chatMessages(messages)],
    model: model ?? config?.modelName,
    tools: toolsOf(body),
    tool_choice: choiceOf(body.toolChoice),
    format: responseFormat?.type === 'json' ? (responseFormat.schema ?? 'json') : undefined,
    think,
    onDisconnect,
    options: optionsOf(body),
  });
  if (!checked.success) throw invalidRequest(checked.error.issues);
  return { endpoint: 'chat', ...checked.data };
}

export function messagesOf({ messages, message }: ChatBody): readonly UiMessage[] {
  return messages ?? (message === undefined ? [] : [message]);
}

/** `{type: 'tool', toolName}` is one tool; the words are the same everywhere. */
function choiceOf(choice: ChatBody['toolChoice']): unknown {
  if (typeof choice !== 'object') return choice;
  return { type: 'function', function: { name: choice.toolName } };
}

function toolsOf({ tools = [] }: ChatBody): object[] | undefined {
  if (tools.length === 0) return undefined;
  return tools.map(({ name, description, inputSchema, parameters }) => ({
    type: 'function',
    function: {
      name,
      ...(description !== undefined && { description }),
      parameters: inputSchema ?? parameters ?? { type: 'object', properties: {} },
    },
  }));
}

function optionsOf(body: ChatBody): object | undefined {
  const set = { ...body.callSettings, ...withoutUndefined(body) };
  const options = withoutUndefined({
    temperature: set.temperature,
    top_p: set.topP,
    top_k: set.topK,
    presence_penalty: set.presencePenalty,
    frequency_penalty: set.frequencyPenalty,
    seed: set.seed,
    stop: set.stopSequences,
    num_predict: set.maxOutputTokens ?? set.maxTokens,
  });
  return Object.keys(options).length === 0 ? undefined : options;
}

function withoutUndefined<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Partial<T>;
}
