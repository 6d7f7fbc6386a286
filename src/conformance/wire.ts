/** What the scripted upstream says of a call of a tool. */
export interface Call {
  name: string;
  arguments: Record<string, unknown>;
}

export type Reason = 'stop' | 'length' | 'tool_calls';

/** The tokens that the scripted upstream counts in each of its answers. */
export const TOKENS = { input: 17, output: 5 } as const;

/** How a model server writes its answer. */
export interface Wire {
  readonly contentType: string;
  text(piece: string): string;
  /** In as many pieces as the protocol has for it. */
  calls(calls: readonly Call[]): string[];
  done(reason: Reason): string;
  error(message: string): string;
  /** The whole answer, where it is not streamed. */
  whole(text: string, calls: readonly Call[], reason: Reason): string;
}

type Body = Record<string, unknown>;

const json = (value: unknown): string => `${JSON.stringify(value)}\n`;

/** Ollama's `/api/chat` and `/api/generate`: one JSON object a line. */
export function ollamaWire({ model }: Body, path: string): Wire {
  const head = { model, created_at: '2026-01-02T03:04:05.678Z' };
  const said = (content: string, calls: readonly Call[] = []) => {
    if (path === '/api/generate') return { response: content };
    const made = calls.map((call) => ({ function: call }));
    return {
      message: { role: 'assistant', content, ...(made.length > 0 && { tool_calls: made }) },
    };
  };
  const end = (reason: Reason) => ({
    done: true,
    // Ollama has no reason of its own for calls.
    done_reason: reason === 'length' ? 'length' : 'stop',
    total_duration: 2_500_000_000,
    prompt_eval_count: TOKENS.input,
    eval_count: TOKENS.output,
    eval_duration: 150_000_000,
  });
  return {
    contentType: 'application/x-ndjson',
    text: (piece) => json({ ...head, ...said(piece), done: false }),
    calls: (calls) => [json({ ...head, ...said('', calls), done: false })],
    done: (reason) => json({ ...head, ...said(''), ...end(reason) }),
    error: (message) => json({ error: message }),
    whole: (text, calls, reason) => json({ ...head, ...said(text, calls), ...end(reason) }),
  };
}

/** OpenAI's chat completions: Server-Sent Events. */
export function openAiWire({ model, stream_options: options }: Body): Wire {
  const head = { id: 'chatcmpl-1', created: 1_767_323_045, model };
  const usage = {
    prompt_tokens: TOKENS.input,
    completion_tokens: TOKENS.output,
    total_tokens: TOKENS.input + TOKENS.output,
  };
  const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
  const chunk = (fields: object): string =>
    event({ ...head, object: 'chat.completion.chunk', ...fields });
  const delta = (delta: object, reason: Reason | null = null): string =>
    chunk({ choices: [{ index: 0, delta, finish_reason: reason }] });
  const named = ({ name, arguments: given }: Call, index: number) => ({
    id: `call_${index}`,
    type: 'function',
    function: { name, arguments: JSON.stringify(given) },
  });
  return {
    contentType: 'text/event-stream',
    text: (content) => delta({ content }),
    calls: (calls) =>
      calls.flatMap((call, index) => {
        const { function: called, ...rest } = named(call, index);
        const half = Math.floor(called.arguments.length / 2);
        const pieces = [called.arguments.slice(0, half), called.arguments.slice(half)];
        return [
          delta({
            tool_calls: [{ index, ...rest, function: { name: call.name, arguments: '' } }],
          }),
          ...pieces.map((piece) =>
            delta({ tool_calls: [{ index, function: { arguments: piece } }] }),
          ),
        ];
      }),
    done: (reason) => {
      const asked = (options as { include_usage?: boolean } | undefined)?.include_usage === true;
      return `${delta({}, reason)}${asked ? chunk({ choices: [], usage }) : ''}data: [DONE]\n\n`;
    },
    error: (message) => event({ error: { message, type: 'server_error', code: null } }),
    whole: (text, calls, reason) =>
      json({
        ...head,
        object: 'chat.completion',
        choices: [
          {
            index: 0,
            message: {
              role: 'assistant',
              content: text,
              ...(calls.length > 0 && { tool_calls: calls.map(named) }),
            },
            finish_reason: reason,
          },
        ],
        usage,
      }),
  };
}
