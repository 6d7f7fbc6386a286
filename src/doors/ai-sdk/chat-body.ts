import { z } from 'zod';
import { boundedList } from '../../protocol/bounded-list.js';
import { boundedRecord } from '../../protocol/bounded-record.js';
import { chatFields, MAX_TOOLS, samplingOptions } from '../../protocol/model-fields.js';
import { maybe } from '../maybe.js';
import { ID_CHARS, uiMessage, uiMessages } from './ui-message.js';

const { temperature, top_p, top_k, presence_penalty, frequency_penalty, seed, stop, num_predict } =
  samplingOptions.shape;

/** How the model chooses its words, as the AI SDK calls it. */
const callSettings = {
  temperature: maybe(temperature),
  topP: maybe(top_p),
  topK: maybe(top_k),
  presencePenalty: maybe(presence_penalty),
  frequencyPenalty: maybe(frequency_penalty),
  seed: maybe(seed),
  stopSequences: maybe(stop),
  maxOutputTokens: maybe(num_predict),
  /** Its name in v4, which assistant-ui still sends. */
  maxTokens: maybe(num_predict),
};

const schema = z.record(z.string(), z.unknown());
const tool = z.object({
  description: maybe(z.string()),
  inputSchema: maybe(schema),
  /** As assistant-ui calls it. */
  parameters: maybe(schema),
});
const name = z.string().min(1);
/** A list; or, as assistant-ui sends it, an object with the names as its keys. */
const tools = z.union([
  boundedList(tool.extend({ name }), MAX_TOOLS),
  boundedRecord(tool, MAX_TOOLS).transform((byName) =>
    Object.entries(byName).map(([name, one]) => ({ name, ...one })),
  ),
]);

/** The body of `POST /ai/chat`: what the transports send, and what an app adds to it. */
export const chatBody = z.object({
  /** Of the chat. The workflow transport sends none. */
  id: maybe(z.string().min(1).max(ID_CHARS)),
  messages: maybe(uiMessages),
  /** The last message alone, where an app sends only that. */
  message: maybe(uiMessage),
  model: maybe(chatFields.shape.model),
  system: maybe(z.string()),
  tools: maybe(tools),
  toolChoice: maybe(
    z.union([
      z.enum(['auto', 'none', 'required']),
      z.object({ type: z.literal('tool'), toolName: name }),
    ]),
  ),
  ...callSettings,
  responseFormat: maybe(z.object({ type: z.enum(['text', 'json']), schema: maybe(schema) })),
  think: maybe(chatFields.shape.think),
  onDisconnect: maybe(chatFields.shape.onDisconnect),
  userId: maybe(chatFields.shape.userId),
  /** Both of assistant-ui. */
  callSettings: maybe(z.object(callSettings)),
  config: maybe(z.object({ modelName: maybe(chatFields.shape.model) })),
});
export type ChatBody = z.infer<typeof chatBody>;
