import type { UIMessage } from 'ai';

const ID = 'llm-cast-example-chat';
const MESSAGES = 'llm-cast-example-messages';

/** The id of this browser's chat, by which llm-cast finds the answer that is being written in it. */
export function chatId(): string {
  const id = localStorage.getItem(ID) ?? crypto.randomUUID();
  localStorage.setItem(ID, id);
  return id;
}

export function storedMessages(): UIMessage[] {
  return JSON.parse(localStorage.getItem(MESSAGES) ?? '[]') as UIMessage[];
}

export function storeMessages(messages: UIMessage[]): void {
  localStorage.setItem(MESSAGES, JSON.stringify(messages));
}
