import type { Answer } from './answer.js';
import { responses } from './openai-responses.js';
import {
  argumentsIn,
  isType,
  nothingSeen,
  objectIn,
  objectsIn,
  type Protocol,
  type Seen,
  TOOL,
  type Wish,
} from './protocol.js';
import { eventsIn } from './sse.js';

interface Choice {
  index?: unknown;
  delta?: Message;
  message?: Message;
  finish_reason?: unknown;
}
interface Message {
  content?: unknown;
  /** Null where there are none: so some servers write it. */
  tool_calls?:
    | {
        index?: number;
        id?: string;
        function?: { name?: string; arguments?: string };
      }[]
    | null;
}

/** Chat completions of OpenAI's API. */
export const openAi: Protocol = {
  name: 'openai',
  usualPath: '/v1',
  listPath: '/models',
  canBeWhole: true,
  hasUsage: true,
  hasKeepAlive: true,
  ask: ({ prompt, model, isStreamed, withTools }: Wish) => ({
    url: '/chat/completions',
    body: {
      model,
      messages: [{ role: 'user', content: prompt }],
      ...(isStreamed && { stream: true, stream_options: { include_usage: true } }),
      ...(withTools && { tools: [{ type: 'function', function: TOOL }] }),
    },
  }),
  read: (answer) => (isType(answer, 'application/json') ? whole(answer) : streamed(answer)),
  models: ({ data }) => objectsIn(data).map(({ id }) => id),
  refusal: ({ body }) => messageOf(objectIn(body)?.['error']),
  resume: responses,
};

/** OpenAI's own servers say `{"error": {"message": …}}`; a text there has no message in the SDKs. */
function messageOf(error: unknown): string | undefined {
  const { message } = (error ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : undefined;
}

function whole(answer: Answer): Seen {
  const seen = nothingSeen();
  const value = objectIn(answer.body);
  if (value === undefined) return seen;
  if (value['object'] !== 'chat.completion') seen.faults.push('its object is no chat.completion');
  const [choice] = (value['choices'] ?? []) as Choice[];
  take(seen, choice?.message ?? {}, []);
  seen.finish = reasonOf(choice?.finish_reason);
  seen.usage = usageOf(value['usage']);
  seen.isWhole = seen.finish !== undefined;
  seen.error = messageOf(value['error']);
  return seen;
}

function streamed(answer: Answer): Seen {
  const seen = nothingSeen();
  const texts: string[] = [];
  let id: unknown;
  let isDone = false;
  if (!isType(answer, 'text/event-stream')) seen.faults.push('no content-type text/event-stream');
  for (const { event, data } of eventsIn(answer.body)) {
    if (isDone) seen.faults.push('an event behind [DONE]');
    if (event === 'error') seen.faults.push('an event named error, of which openai-node dies');
    if (data === '[DONE]') {
      isDone = true;
      continue;
    }
    const chunk = objectIn(data);
    if (chunk === undefined) {
      seen.faults.push(`an event that is no JSON object: ${data.slice(0, 40)}`);
      continue;
    }
    if (chunk['error'] !== undefined && chunk['error'] !== null) {
      seen.error = messageOf(chunk['error']) ?? JSON.stringify(chunk['error']);
      continue;
    }
    id ??= chunk['id'];
    if (typeof id !== 'string' || chunk['id'] !== id) seen.faults.push('chunks of different ids');
    if (chunk['object'] !== 'chat.completion.chunk') seen.faults.push('a chunk of another object');
    if (!Array.isArray(chunk['choices'])) {
      seen.faults.push('a chunk without choices');
      continue;
    }
    seen.usage = usageOf(chunk['usage']) ?? seen.usage;
    const [choice] = chunk['choices'] as Choice[];
    if (choice === undefined) continue;
    if (choice.index !== 0) seen.faults.push('a choice whose index is not 0');
    if (seen.finish !== undefined && typeof choice.delta?.content === 'string') {
      if (choice.delta.content !== '') seen.faults.push('text behind the finish_reason');
    }
    take(seen, choice.delta ?? {}, texts);
    seen.finish = reasonOf(choice.finish_reason) ?? seen.finish;
  }
  seen.calls.forEach((call, at) => (call.arguments = argumentsIn(texts[at] ?? '')));
  if (isDone && seen.finish === undefined) seen.faults.push('[DONE] without a finish_reason');
  seen.isWhole = isDone && seen.finish !== undefined;
  return seen;
}

/** @param texts of the arguments so far, for they come in pieces */
function take(seen: Seen, { content, tool_calls: calls }: Message, texts: string[]): void {
  if (typeof content === 'string') seen.text += content;
  for (const [place, { index = place, id, function: called }] of (calls ?? []).entries()) {
    if (seen.calls[index] === undefined) {
      if (typeof id !== 'string' || id === '') seen.faults.push('a tool call without an id');
      if (called?.name === undefined) seen.faults.push('a tool call that begins without a name');
      seen.calls[index] = { name: called?.name ?? '', arguments: '' };
    }
    texts[index] = (texts[index] ?? '') + (called?.arguments ?? '');
    seen.calls[index].arguments = argumentsIn(texts[index]);
  }
}

function reasonOf(reason: unknown): Seen['finish'] {
  if (reason === undefined || reason === null) return undefined;
  if (reason === 'stop' || reason === 'length' || reason === 'tool_calls') return reason;
  return 'other';
}

function usageOf(usage: unknown): Seen['usage'] {
  const { prompt_tokens: input, completion_tokens: output } = (usage ?? {}) as Record<
    string,
    unknown
  >;
  return typeof input === 'number' && typeof output === 'number' ? { input, output } : undefined;
}
