import { ref, shallowRef } from 'vue';
import type { Images } from '../conversations/images';
import { type Attachment, readAttachment } from './read-attachment';

/** Most files of one question. */
const MAX_FILES = 10;

/** The files that go with the next question. */
export function useAttachments() {
  const attachments = shallowRef<readonly Attachment[]>([]);
  /** Why a file is not among them. */
  const problem = ref('');
  let reading: Promise<void> | undefined;

  function add(files: Iterable<File>): Promise<void> {
    problem.value = '';
    const given = [...files];
    const read = (reading ?? Promise.resolve()).then(() => readEach(given));
    reading = read;
    return read.finally(() => {
      if (reading === read) reading = undefined;
    });
  }

  async function readEach(files: readonly File[]): Promise<void> {
    for (const file of files) {
      try {
        if (attachments.value.length === MAX_FILES) {
          throw new Error(`At most ${MAX_FILES} files go with a question.`);
        }
        attachments.value = [...attachments.value, await readAttachment(file)];
      } catch (error) {
        problem.value = error instanceof Error ? error.message : String(error);
      }
    }
  }

  function remove(id: string): void {
    attachments.value = attachments.value.filter((one) => one.id !== id);
    problem.value = '';
  }

  function clear(): void {
    attachments.value = [];
    problem.value = '';
  }

  return {
    attachments,
    problem,
    add,
    remove,
    clear,
    /** Resolves when all that was added is read; undefined where it is. */
    reading: () => reading,
  };
}

export function imagesAmong(attachments: readonly Attachment[]): Images {
  return new Map(attachments.flatMap((one) => (one.kind === 'image' ? [[one.id, one.data]] : [])));
}
