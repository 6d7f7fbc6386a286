import { computed, shallowReactive } from 'vue';
import type { Images } from '../conversations/images';
import { type Attachment, readAttachment } from './read-attachment';

/** Most files of one question. */
const MAX_FILES = 10;

/** What was chosen in one conversation. */
interface Chosen {
  attachments: readonly Attachment[];
  /** Why a file is not among them. */
  problem: string;
  /** Resolves when all that was added is read; undefined where it is. */
  reading: Promise<void> | undefined;
}

/** The files that go with the next question: each conversation has its own. */
export function useAttachments(conversation: () => string) {
  const all = new Map<string, Chosen>();

  /** Of the conversation that is shown. */
  const chosen = computed((): Chosen => {
    const id = conversation();
    const known = all.get(id);
    if (known !== undefined) return known;
    const none: Chosen = { attachments: [], problem: '', reading: undefined };
    const reactive = shallowReactive(none);
    all.set(id, reactive);
    return reactive;
  });

  /** A file that is still being read when another conversation is shown stays in this one. */
  function add(files: Iterable<File>): Promise<void> {
    const here = chosen.value;
    here.problem = '';
    const given = [...files];
    const read = (here.reading ?? Promise.resolve()).then(() => readEach(given, here));
    here.reading = read;
    return read.finally(() => {
      if (here.reading === read) here.reading = undefined;
    });
  }

  async function readEach(files: readonly File[], here: Chosen): Promise<void> {
    for (const file of files) {
      try {
        if (here.attachments.length === MAX_FILES) {
          throw new Error(`At most ${MAX_FILES} files go with a question.`);
        }
        const read = await readAttachment(file);
        here.attachments = [...here.attachments, read];
      } catch (error) {
        here.problem = error instanceof Error ? error.message : String(error);
      }
    }
  }

  function remove(id: string): void {
    const here = chosen.value;
    here.attachments = here.attachments.filter((one) => one.id !== id);
    here.problem = '';
  }

  function clear(): void {
    chosen.value.attachments = [];
    chosen.value.problem = '';
  }

  return { chosen, add, remove, clear };
}

export function imagesAmong(attachments: readonly Attachment[]): Images {
  return new Map(attachments.flatMap((one) => (one.kind === 'image' ? [[one.id, one.data]] : [])));
}
