import { computed, shallowReactive } from 'vue';
import { tabStorage } from './tab-storage';

const KEY = 'llm-cast drafts';

/** What is typed and not yet asked: each conversation has its own, and a reload keeps it. */
export function useDraft(conversation: () => string) {
  const kept = JSON.parse(tabStorage.read(KEY) ?? '[]') as [string, string][];
  const drafts = shallowReactive(new Map(kept));

  return computed({
    get: () => drafts.get(conversation()) ?? '',
    set: (text) => {
      if (text === '') drafts.delete(conversation());
      else drafts.set(conversation(), text);
      tabStorage.write(KEY, JSON.stringify([...drafts]));
    },
  });
}
