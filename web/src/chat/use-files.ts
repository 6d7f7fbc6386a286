import { ref } from 'vue';
import type { Conversation } from 'llm-cast-client/conversation';
import { asCopy, asJson, asMarkdown, fromJson, MAX_IMPORT_BYTES } from '../conversations/portable';
import { imagesOf } from '../conversations/images';
import type { Conversations } from '../conversations/use-conversations';
import { fileName, saveFile } from './save-file';

/** Conversations as files. */
export function useFiles(conversations: Conversations) {
  /** What came of the last import. */
  const said = ref('');

  async function exportJson(list: readonly Conversation[], name: string): Promise<void> {
    const images = new Map<string, string>();
    for (const id of list.flatMap(imagesOf)) {
      const found = await conversations.images.read([id]);
      if (found !== undefined) images.set(id, found.get(id)!);
    }
    saveFile(fileName(name, 'json'), 'application/json', asJson(list, images));
  }

  function exportMarkdown(conversation: Conversation): void {
    saveFile(fileName(conversation.title, 'md'), 'text/markdown', asMarkdown(conversation));
  }

  /** Adds what the file has. What is here under the same id stays as it is. */
  async function importFile(file: File): Promise<void> {
    try {
      if (file.size > MAX_IMPORT_BYTES) throw new Error('This file is too large.');
      const { conversations: list, images } = fromJson(await file.text());
      await conversations.images.add(images);
      for (const one of list) {
        const isThere = conversations.get(one.id) !== undefined;
        await conversations.add(isThere ? asCopy(one) : one);
      }
      said.value =
        list.length === 1 ? '1 conversation imported.' : `${list.length} conversations imported.`;
    } catch (error) {
      said.value = error instanceof Error ? error.message : String(error);
    }
  }

  return { said, exportJson, exportMarkdown, importFile };
}
