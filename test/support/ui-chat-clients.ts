import { WorkflowChatTransport } from '@ai-sdk/workflow/client';
import { AbstractChat, type ChatTransport, DefaultChatTransport } from 'ai';
import { AbstractChat as Chat5, DefaultChatTransport as Transport5 } from 'ai-v5';
import { AbstractChat as Chat6, DefaultChatTransport as Transport6 } from 'ai-v6';
import type { Asking, Run } from './truth.js';
import { asBrowser, type Message, PlainState, textOf } from './ui-chat.js';

/** One version of the package `ai`, and how it is asked. */
interface Version {
  Chat: typeof AbstractChat;
  transport: (asking: Asking) => ChatTransport<Message>;
}

const withTransport = (Transport: typeof DefaultChatTransport): Version['transport'] => {
  return ({ url, apiKey, fields }) =>
    new Transport<Message>({
      api: `${url}/ai/chat`,
      headers: { authorization: `Bearer ${apiKey}` },
      body: bodyOf(fields),
    });
};

/** A chat that sends one message, and says how it ended. */
const useChat =
  ({ Chat: Base, transport }: Version): Run =>
  async (asking, onText) => {
    let shown = '';
    const state: PlainState = new PlainState([], () => {
      const text = state.messages.slice(1).map(textOf).join('');
      if (text.startsWith(shown)) onText(text.slice(shown.length));
      shown = text;
    });
    class Chat extends Base<Message> {}
    let finish: { finishReason?: string; isAbort?: boolean } = {};
    const chat = new Chat({
      state,
      transport: transport(asking),
      onFinish: (said) => void (finish = said as typeof finish),
    });
    asking.signal.addEventListener('abort', () => void chat.stop());
    await chat.sendMessage({ text: 'why?' });
    const { state: ended, code } = state.messages[1]?.metadata ?? {};
    if (state.status !== 'error') {
      const reason = ended === 'cancelled' ? undefined : finish.finishReason;
      const isAborted = finish.isAbort === true ? 'aborted' : undefined;
      return [state.status, isAborted, ended, reason].filter(Boolean).join(' ');
    }
    const [, said = 'connection'] = /\((\w+)\)$/.exec(state.error?.message ?? '') ?? [];
    return `error ${typeof code === 'string' ? code : said}`;
  };

/** Clients in this process; the columns of the table in docs/doors.md. */
export const UI_CHAT_CLIENTS = {
  'useChat (v7)': useChat({ Chat: AbstractChat, transport: withTransport(DefaultChatTransport) }),
  'useChat (v6)': useChat({
    Chat: Chat6 as unknown as typeof AbstractChat,
    transport: withTransport(Transport6 as unknown as typeof DefaultChatTransport),
  }),
  'useChat (v5)': useChat({
    Chat: Chat5 as unknown as typeof AbstractChat,
    transport: withTransport(Transport5 as unknown as typeof DefaultChatTransport),
  }),
  'useChat, workflow transport': useChat({
    Chat: AbstractChat,
    transport: ({ url, apiKey, fields }) =>
      new WorkflowChatTransport<Message>({
        api: `${url}/ai/chat`,
        fetch: (input, init) =>
          asBrowser(input, {
            ...init,
            headers: { ...(init?.headers as object), authorization: `Bearer ${apiKey}` },
          }),
        prepareSendMessagesRequest: ({ messages }) => ({
          body: { messages, ...bodyOf(fields) },
        }),
      }),
  }),
} satisfies Record<string, Run>;

/** The same wishes as the AI SDK has them. */
function bodyOf({ tools, n }: Asking['fields']): object {
  return {
    ...(Array.isArray(tools) && {
      tools: (tools as { function: { name: string } }[]).map((tool) => tool.function),
    }),
    ...(n !== undefined && { responseFormat: { type: 'grammar' } }),
  };
}
