import { useChat } from '@ai-sdk/react';
import { type FormEvent, useEffect, useState } from 'react';
import { stopModel, transport, wasReading } from './transport';

/** Where the browser keeps the messages: llm-cast keeps answers only, for a while. */
const MESSAGES = 'llm-cast-messages';

export function Chat() {
  const [kept] = useState(() => JSON.parse(localStorage.getItem(MESSAGES) ?? '[]'));
  const { messages, status, error, sendMessage, regenerate } = useChat({
    messages: kept,
    transport,
    resume: wasReading(),
  });
  useEffect(() => localStorage.setItem(MESSAGES, JSON.stringify(messages)), [messages]);

  const isBusy = status === 'submitted' || status === 'streaming';

  function ask(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    // Enter is there without the button, too.
    if (isBusy) return;
    const form = event.currentTarget;
    void sendMessage({ text: String(new FormData(form).get('question')) });
    form.reset();
  }

  return (
    <>
      <ol>
        {messages.map(({ id, role, parts, metadata }) => (
          <li key={id} className={role}>
            <p style={{ whiteSpace: 'pre-wrap' }}>
              {parts.map((part) => (part.type === 'text' ? part.text : ''))}
            </p>
            {metadata?.state === 'cancelled' && <small>Stopped</small>}
          </li>
        ))}
      </ol>
      {error && <p role="alert">{error.message}</p>}
      <form onSubmit={ask}>
        <input name="question" aria-label="Question" />
        {isBusy ? (
          <button type="button" onClick={() => void stopModel()}>
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
