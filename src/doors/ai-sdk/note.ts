import { z } from 'zod';
import type { Frame } from './frame.js';
import { earlierFrames } from './earlier-frames.js';
import type { UiMessage } from './ui-message.js';

/** What is to be known of an answer that goes on with a message of the assistant. */
const note = z.object({
  messageId: z.string(),
  earlier: z.array(z.looseObject({ type: z.string() })),
});

/** What is to be kept with the answer to these messages; undefined where nothing is. */
export function noteOf(messages: readonly UiMessage[]): z.input<typeof note> | undefined {
  const last = messages.at(-1);
  if (last?.role !== 'assistant' || last.id === undefined) return undefined;
  return { messageId: last.id, earlier: earlierFrames(last, last.id) };
}

/** The message that an answer makes, or goes on with. */
export function messageOf(generation: { id: string; note: unknown }): {
  messageId: string;
  /** The frames of its parts that stood there before. */
  earlier: readonly Frame[];
} {
  // An answer of another door may be read here too: its note is another one, or none.
  const { data } = note.safeParse(generation.note);
  if (data === undefined) return { messageId: generation.id, earlier: [] };
  return { messageId: data.messageId, earlier: data.earlier as unknown as Frame[] };
}
