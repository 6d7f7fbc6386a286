import { connect } from 'llm-cast-client';
import { browserStorage } from 'llm-cast-client/conversation';
import { useConversation } from 'llm-cast-client/react';
import type { FormEvent } from 'react';

declare const __LLM_CAST__: string;

const cast = connect(__LLM_CAST__);
const storage = browserStorage();

export function Chat() {
  const { messages, status, error, send, stop, regenerate, edit, showVersion } = useConversation(
    cast,
    { id: 'main', storage },
  );

  const isBusy = status === 'submitted' || status === 'streaming';

  function ask(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    // Enter is there without the button, too.
    if (isBusy) return;
    const form = event.currentTarget;
    void send(String(new FormData(form).get('question')));
    form.reset();
  }

  function change(turnId: string, content: string): void {
    const changed = prompt('Another question', content);
    if (changed !== null) void edit(turnId, changed);
  }

  return (
    <>
      <ol>
        {messages.map(({ id, role, turnId, content, versions }) => (
          <li key={id} className={role}>
            <p style={{ whiteSpace: 'pre-wrap' }}>{content}</p>
            {role === 'user' && <button onClick={() => change(turnId, content)}>Edit</button>}
            {role === 'assistant' &&
              versions.ids.length > 1 &&
              versions.ids.map((version, at) => (
                <button
                  key={version}
                  aria-pressed={at === versions.shown}
                  onClick={() => void showVersion(version)}
                >
                  {at + 1}
                </button>
              ))}
          </li>
        ))}
      </ol>
      {error && <p role="alert">{error.message}</p>}
      <form onSubmit={ask}>
        <input name="question" aria-label="Question" />
        {isBusy ? (
          <button type="button" onClick={stop}>
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
