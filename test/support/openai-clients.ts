import { ChatOpenAI } from '@langchain/openai';
import OpenAI from 'openai';
import OpenAI6 from 'openai-6';
import type { Asking, Run } from './truth.js';

const MODEL = 'llama3.2';
const messages = [{ role: 'user' as const, content: 'why?' }];
const options = ({ url, apiKey }: Asking) => ({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });

const chatStream =
  (Library: typeof OpenAI): Run =>
  async (asking, onText) => {
    const client = new Library(options(asking));
    const { signal, fields } = asking;
    const stream = await client.chat.completions.create(
      { model: MODEL, messages, stream: true, ...fields },
      { signal },
    );
    let reason = 'none';
    for await (const { choices } of stream) {
      onText(choices[0]?.delta.content ?? '');
      reason = choices[0]?.finish_reason ?? reason;
    }
    return reason;
  };

const chat: Run = async (asking, onText) => {
  const { signal, fields } = asking;
  const answer = await new OpenAI(options(asking)).chat.completions.create(
    { model: MODEL, messages, ...fields },
    { signal },
  );
  onText(answer.choices[0]?.message.content ?? '');
  return answer.choices[0]?.finish_reason ?? 'none';
};

const responses =
  (Library: typeof OpenAI): Run =>
  async (asking, onText) => {
    const { signal, fields } = asking;
    const stream = await new Library(options(asking)).responses.create(
      { model: MODEL, input: 'why?', stream: true, ...responseFields(fields) },
      { signal },
    );
    let end = 'none';
    for await (const event of stream) {
      if (event.type === 'response.output_text.delta') onText(event.delta);
      if ('response' in event) {
        const { status, incomplete_details: details } = event.response;
        end = [status, details?.reason].filter((one) => one !== undefined).join(' ');
      }
    }
    return end;
  };

const langChain =
  (useResponsesApi: boolean): Run =>
  async (asking, onText) => {
    const { fields, signal } = asking;
    const { tools, ...rest } = fields;
    const { baseURL, ...others } = options(asking);
    const model = new ChatOpenAI({
      ...others,
      model: MODEL,
      useResponsesApi,
      configuration: { baseURL },
      modelKwargs: useResponsesApi ? responseFields(rest) : rest,
    });
    const bound = tools === undefined ? model : model.bindTools(tools as []);
    let reason = 'none';
    for await (const chunk of await bound.stream('why?', { signal })) {
      onText(chunk.text);
      const { finish_reason, status, incomplete_details } = chunk.response_metadata as Record<
        string,
        unknown
      >;
      const details = incomplete_details as { reason?: string } | null | undefined;
      const said = finish_reason ?? [status, details?.reason].filter(Boolean).join(' ');
      if (typeof said === 'string' && said !== '') reason = said;
    }
    return reason;
  };

/** Clients in this process; the columns of the table in docs/doors.md. */
export const OPENAI_CLIENTS = {
  'openai, chat streamed': chatStream(OpenAI),
  'openai 6, chat streamed': chatStream(OpenAI6 as unknown as typeof OpenAI),
  'openai, chat': chat,
  'openai, responses streamed': responses(OpenAI),
  'openai 6, responses streamed': responses(OpenAI6 as unknown as typeof OpenAI),
  'LangChain.js, chat streamed': langChain(false),
  'LangChain.js, responses streamed': langChain(true),
} satisfies Record<string, Run>;

/** The same wishes as a response has them. */
export function responseFields(fields: Record<string, unknown>): Record<string, unknown> {
  const { tools, n: _n, ...rest } = fields as { tools?: { function: object }[]; n?: number };
  return {
    ...rest,
    ...(tools !== undefined && {
      tools: tools.map((tool) => ({ type: 'function', ...tool.function })),
    }),
    ...('n' in fields && { top_logprobs: 2 }),
  };
}
