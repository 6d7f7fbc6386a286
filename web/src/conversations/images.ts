import type { ChatRequest } from 'llm-cast-client';
import { type Conversation, requestOf, type Turn, turnsBefore } from 'llm-cast-client/conversation';
import type { ConversationStore } from './conversation-store';

/** Images in base64, by their id. */
export type Images = ReadonlyMap<string, string>;

/** The ids of all images of a conversation. */
export function imagesOf({ turns }: Conversation): string[] {
  return turns.flatMap(({ images = [] }) => images);
}

/** The images of the questions: a conversation has their ids only, so that it is quickly kept. */
export class ImageShelf {
  /** Seen or added here: they are there also where the browser keeps nothing. */
  readonly #seen = new Map<string, string>();

  constructor(private readonly store: ConversationStore) {}

  /** Keeps images, before the question that has them is asked. */
  async add(images: Images): Promise<void> {
    for (const [id, data] of images) this.#seen.set(id, data);
    // Then they are there as long as the page is.
    await this.store.putImages(images).catch(() => undefined);
  }

  /** @returns undefined where one is missing */
  async read(ids: readonly string[]): Promise<Images | undefined> {
    const found = new Map<string, string>();
    for (const id of ids) {
      const data = this.#seen.get(id) ?? (await this.store.image(id).catch(() => undefined));
      if (data === undefined) return undefined;
      this.#seen.set(id, data);
      found.set(id, data);
    }
    return found;
  }

  /** What is asked of the model for a turn, with the images in the place of their ids. */
  async requestOf(conversation: Conversation, turn: Turn): Promise<ChatRequest> {
    const ids = [...turnsBefore(conversation, turn), turn].flatMap(({ images = [] }) => images);
    if (ids.length === 0) return requestOf(conversation, turn);
    const images = await this.read(ids);
    if (images === undefined) {
      throw new Error('An image of this conversation is no longer in this browser.');
    }
    const filled = (one: Turn): Turn =>
      one.images === undefined
        ? one
        : { ...one, images: one.images.flatMap((id) => images.get(id) ?? []) };
    return requestOf({ ...conversation, turns: conversation.turns.map(filled) }, filled(turn));
  }
}
