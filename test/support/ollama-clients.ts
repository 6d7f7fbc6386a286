import { Ollama } from 'ollama';
import type { Asking, Run } from './truth.js';

const model = 'llama3.2';
const messages = [{ role: 'user', content: 'why?' }];

function clientOf({ url, apiKey, signal }: Asking): Ollama {
  const headers = { authorization: `Bearer ${apiKey}` };
  const ollama = new Ollama({
    host: url,
    headers,
    fetch: (input, init) => fetch(input, { ...init, signal: bothOf(signal, init?.signal) }),
  });
  return ollama;
}

function bothOf(ours: AbortSignal, own: AbortSignal | null | undefined): AbortSignal {
  return own == null ? ours : AbortSignal.any([ours, own]);
}

/** Clients in this process; the columns of the table in docs/doors.md. */
export const OLLAMA_CLIENTS = {
  'ollama-js, chat streamed': async (asking, onText) => {
    const fields = fieldsOf(asking);
    const stream = await clientOf(asking).chat({ model, messages, ...fields, stream: true });
    let reason = 'none';
    for await (const { message, done_reason } of stream) {
      onText(message.content);
      reason = done_reason ?? reason;
    }
    return reason;
  },
  'ollama-js, chat': async (asking, onText) => {
    const answer = await clientOf(asking).chat({ model, messages, ...fieldsOf(asking) });
    onText(answer.message.content);
    return answer.done_reason;
  },
  'ollama-js, generate streamed': async (asking, onText) => {
    const { tools: _tools, ...fields } = fieldsOf(asking) as { tools?: unknown };
    const stream = await clientOf(asking).generate({
      model,
      prompt: 'why?',
      ...fields,
      stream: true,
    });
    let reason = 'none';
    for await (const { response, done_reason } of stream) {
      onText(response ?? '');
      reason = done_reason ?? reason;
    }
    return reason;
  },
} satisfies Record<string, Run>;

/** The same wishes as Ollama has them. */
function fieldsOf({ fields: { n, ...fields } }: Asking): object {
  return { ...fields, ...(n !== undefined && { logprobs: true }) };
}
