import type { Answer } from './answer.js';
import {
  isType,
  nothingSeen,
  objectIn,
  objectsIn,
  type Protocol,
  type Seen,
  TOOL,
  type Wish,
} from './protocol.js';

interface Line {
  message?: {
    content?: unknown;
    tool_calls?: { function?: { name?: string; arguments?: unknown } }[];
  };
  done?: unknown;
  done_reason?: unknown;
  prompt_eval_count?: unknown;
  eval_count?: unknown;
  error?: unknown;
}

/** `/api/chat` of Ollama's API. */
export const ollama: Protocol = {
  name: 'ollama',
  usualPath: '',
  listPath: '/api/tags',
  canBeWhole: true,
  hasUsage: true,
  // Its clients read no comments.
  hasKeepAlive: false,
  ask: ({ prompt, model, isStreamed, withTools }: Wish) => ({
    url: '/api/chat',
    body: {
      model,
      messages: [{ role: 'user', content: prompt }],
      stream: isStreamed,
      ...(withTools && { tools: [{ type: 'function', function: TOOL }] }),
    },
  }),
  read,
  models: ({ models }) => objectsIn(models).map(({ name }) => name),
  refusal: ({ body }) => {
    const error = objectIn(body)?.['error'];
    return typeof error === 'string' ? error : undefined;
  },
};

function read(answer: Answer): Seen {
  const seen = nothingSeen();
  const isStream = !isType(answer, 'application/json');
  if (isStream && !isType(answer, 'application/x-ndjson')) {
    seen.faults.push('no content-type application/x-ndjson');
  }
  const lines = answer.body.split('\n');
  // A line without its end has not come; the last line of a whole body may go without.
  const tail = lines.pop() ?? '';
  if (tail !== '' && answer.ending === 'clean') lines.push(tail);
  for (const text of lines) {
    if (text === '') continue;
    if (seen.isWhole) seen.faults.push('a line behind the one that is done');
    const line = objectIn(text) as Line | undefined;
    if (line === undefined) seen.faults.push(`a line that is no JSON: ${text.slice(0, 40)}`);
    else if (typeof line.error === 'string') seen.error = line.error;
    else take(seen, line);
  }
  return seen;
}

function take(seen: Seen, line: Line): void {
  const { message = {}, done, done_reason: reason } = line;
  if (typeof done !== 'boolean') seen.faults.push('a line without done');
  if (typeof message.content !== 'string') seen.faults.push('a line without message.content');
  else seen.text += message.content;
  for (const { function: called } of message.tool_calls ?? []) {
    if (typeof called?.arguments !== 'object') {
      seen.faults.push('arguments of a call that are no object');
    }
    seen.calls.push({ name: called?.name ?? '', arguments: called?.arguments });
  }
  if (done !== true) return;
  seen.isWhole = true;
  seen.finish = reason === 'stop' || reason === 'length' ? reason : 'other';
  const { prompt_eval_count: input, eval_count: output } = line;
  if (typeof input === 'number' && typeof output === 'number') seen.usage = { input, output };
}
