import { ref } from 'vue';
import { tabStorage } from '../chat/tab-storage';

/** Where a tab keeps it. Another tab does not see it, and it goes with the tab. */
const KEY = 'llm-cast credential';

/** The key or token that somebody gave this tab; undefined where the server wants none. */
export const credential = ref(tabStorage.read(KEY) ?? undefined);

export function keepCredential(text: string | undefined): void {
  credential.value = text;
  tabStorage.write(KEY, text ?? null);
}

/** The header of a request, with a credential or without. */
export function authorization(token = credential.value): Record<string, string> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}
