import type { Conversation } from 'llm-cast-client/conversation';

/** The conversations in which every word of a search occurs, also in versions that are not shown. */
export function searched(
  conversations: readonly Conversation[],
  search: string,
): readonly Conversation[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length === 0) return conversations;
  return conversations.filter((conversation) => {
    const text = textOf(conversation).toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function textOf({ title, turns }: Conversation): string {
  return [title, ...turns.flatMap(({ question, answer }) => [question, answer.text])].join('\n');
}
