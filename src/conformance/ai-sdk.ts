import type { Answer } from './answer.js';
import {
  isType,
  nothingSeen,
  objectIn,
  type Protocol,
  type Resume,
  type Seen,
  TOOL,
} from './protocol.js';
import { eventsIn } from './sse.js';

type Part = Record<string, unknown> & { type?: string };

/** What the client's schema knows (`uiMessageChunkSchema` of the package `ai`); others kill the stream. */
const TYPES =
  /^(start|finish|abort|error|message-metadata|(start|finish)-step|(text|reasoning)-(start|delta|end)|tool-(input-(start|delta|available|error)|output-(available|error|denied)|approval-request)|source-(url|document)|file|data-.+)$/;

const partsOf = ({ body }: Answer): Part[] =>
  eventsIn(body)
    .filter(({ data }) => data !== '[DONE]')
    .map(({ data }) => (objectIn(data) ?? {}) as Part);

const textOf = (parts: readonly unknown[]): string =>
  (parts as Part[])
    .filter(({ type }) => type === 'text-delta')
    .map(({ delta }) => String(delta))
    .join('');

/** The chat of a request; `useChat` makes one up, too. */
const chatOf = (prompt: string): string => `chat-${prompt.slice(0, prompt.indexOf(' '))}`;

const ask: Protocol['ask'] = ({ prompt, model, withTools }) => ({
  url: '',
  body: {
    id: chatOf(prompt),
    messages: [{ id: 'm1', role: 'user', parts: [{ type: 'text', text: prompt }] }],
    trigger: 'submit-message',
    model,
    ...(withTools && {
      tools: [{ name: TOOL.name, description: TOOL.description, inputSchema: TOOL.parameters }],
    }),
  },
});

/** The workflow transport's: by the number of parts that have come. */
const resume: Resume = {
  start: ask,
  rest: (first, { length }) => {
    const id = first.headers.get('x-workflow-run-id') ?? '';
    return { method: 'GET', url: `/${encodeURIComponent(id)}/stream?startIndex=${length}` };
  },
  pieces: partsOf,
  text: textOf,
};

/** The AI SDK's "UI message stream", which `useChat` reads. */
export const aiSdk: Protocol = {
  name: 'ai-sdk',
  usualPath: '/ai/chat',
  listPath: undefined,
  canBeWhole: false,
  hasUsage: false,
  hasKeepAlive: true,
  ask,
  read,
  models: () => [],
  // The client shows the body as the error, whatever it is.
  refusal: ({ body }) => body || undefined,
  stop: ({ prompt }) => ({ url: `/${chatOf(prompt)}/stop` }),
  resume,
};

function read(answer: Answer): Seen {
  const seen = nothingSeen();
  const open = new Set<unknown>();
  let isDone = false;
  let isFinished = false;
  if (!isType(answer, 'text/event-stream')) seen.faults.push('no content-type text/event-stream');
  if (answer.headers.get('x-vercel-ai-ui-message-stream') !== 'v1') {
    seen.faults.push('no header x-vercel-ai-ui-message-stream: v1');
  }
  for (const { data } of eventsIn(answer.body)) {
    if (isDone) seen.faults.push('an event behind [DONE]');
    if (data === '[DONE]') {
      isDone = true;
      continue;
    }
    const part = objectIn(data);
    const { type = '', id } = (part ?? {}) as Part;
    if (!TYPES.test(type)) seen.faults.push(`an unknown part: ${data.slice(0, 40)}`);
    if (isFinished) seen.faults.push(`a part behind finish: ${type}`);
    if (/^(text|reasoning)-start$/.test(type)) open.add(id);
    if (/^(text|reasoning)-(delta|end)$/.test(type) && !open.has(id)) {
      seen.faults.push(`${type} before its start`);
    }
    if (/^(text|reasoning)-end$/.test(type)) open.delete(id);
    if (type === 'text-delta') seen.text += String(part?.['delta']);
    if (type === 'tool-input-available') {
      seen.calls.push({ name: String(part?.['toolName']), arguments: part?.['input'] });
    }
    if (type === 'error') seen.error = String(part?.['errorText']);
    if (type === 'finish') {
      isFinished = true;
      seen.finish = reasonOf(part?.['finishReason']);
    }
  }
  // Without [DONE] the client says the same: to it the finish is the end.
  seen.isWhole = isFinished && isDone;
  return seen;
}

function reasonOf(reason: unknown): Seen['finish'] {
  if (reason === 'stop' || reason === 'length') return reason;
  return reason === 'tool-calls' ? 'tool_calls' : 'other';
}
