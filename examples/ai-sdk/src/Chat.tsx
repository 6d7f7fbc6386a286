import { useChat } from '@ai-sdk/react';
import { DefaultChatTransport, type UIMessage } from 'ai';
import { type FormEvent, useEffect } from 'react';
import { chatId, storedMessages, storeMessages } from './messages';

declare const __LLM_CAST__: string;

const api = `${__LLM_CAST__}/ai/chat`;
const id = chatId();
const transport = new DefaultChatTransport({ api });
const kept = storedMessages();

export function Chat() {
  const { messages, status, error, sendMessage, regenerate } = useChat({
    id,
    messages: kept,
    transport,
    // After a reload: the answer that is being written comes from its beginning, and goes on.
    resume: true,
  });

  useEffect(() => {
    // An answer is kept when it is whole: until then llm-cast has it, and resume brings it back.
    if (status !== 'streaming') storeMessages(messages);
  }, [messages, status]);

  function ask(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const form = event.currentTarget;
    void sendMessage({ text: String(new FormData(form).get('question')) });
    form.reset();
  }

  /** Stops the model. `stop()` of useChat would only close the connection. */
  const stop = () => fetch(`${api}/${id}/stop`, { method: 'POST' });

  const isBusy = status === 'submitted' || status === 'streaming';
  return (
    <>
      <ol>
        {messages.map((message) => (
          <li key={message.id} className={message.role}>
            <p style={{ whiteSpace: 'pre-wrap' }}>{textOf(message)}</p>
          </li>
        ))}
      </ol>
      {error && <p role="alert">{error.message}</p>}
      <form onSubmit={ask}>
        <input name="question" aria-label="Question" />
        {isBusy ? (
          <button type="button" onClick={() => void stop()}>
            Stop
          </button>
        ) : (
          <>
            <button>Ask</button>
            {messages.length > 0 && (
              <button type="button" onClick={() => void regenerate()}>
                Again
              </button>
            )}
          </>
        )}
      </form>
    </>
  );
}

function textOf({ parts }: UIMessage): string {
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}
