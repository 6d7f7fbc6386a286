import { AbstractChat, type ChatInit, type ChatState, type UIMessage } from 'ai';

export type Message = UIMessage<Record<string, unknown>>;

/** The state of a chat as `@ai-sdk/react` and `vue` keep it, without a page. */
export class PlainState implements ChatState<Message> {
  error: Error | undefined = undefined;
  private now: ChatState<Message>['status'] = 'ready';
  private all: Message[];

  constructor(
    messages: Message[],
    private readonly onChange: () => void = () => undefined,
  ) {
    this.all = messages;
  }

  get status(): ChatState<Message>['status'] {
    return this.now;
  }

  set status(status) {
    this.now = status;
    this.onChange();
  }

  get messages(): Message[] {
    return this.all;
  }

  set messages(messages) {
    this.all = messages;
    this.onChange();
  }

  pushMessage = (message: Message): void => {
    this.messages = [...this.messages, message];
  };
  popMessage = (): void => {
    this.messages = this.messages.slice(0, -1);
  };
  replaceMessage = (index: number, message: Message): void => {
    this.messages = this.messages.with(index, structuredClone(message));
  };
  snapshot = <T>(thing: T): T => structuredClone(thing);
}

/** The chat of the package `ai`, on which every `useChat` stands. */
export class Chat extends AbstractChat<Message> {
  constructor({ messages = [], ...init }: ChatInit<Message>, onChange?: () => void) {
    super({ ...init, state: new PlainState(messages, onChange) });
  }
}

/** The text of a message. */
export function textOf({ parts }: Message): string {
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

/** A page of ours names its origin: the transport's JSON is believed without a content type. */
export const asBrowser: typeof fetch = (url, init) =>
  fetch(url, {
    ...init,
    headers: { ...(init?.headers as object), origin: 'http://localhost:5173' },
  });
