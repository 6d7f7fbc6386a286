import { newConversation } from 'llm-cast-client/conversation';
import { imageOf } from './image-of';

/** Largest text file, in bytes. */
const MAX_TEXT_BYTES = 512 * 1024;

/** A file that goes with a question. */
export type Attachment =
  | { kind: 'image'; id: string; name: string; data: string }
  | { kind: 'text'; id: string; name: string; text: string };

/** @throws Error with a sentence for people when the file can be no part of a question */
export async function readAttachment(file: File): Promise<Attachment> {
  const { name } = file;
  const { id } = newConversation();
  if (file.type.startsWith('image/') && file.type !== 'image/svg+xml') {
    return { kind: 'image', id, name, data: await imageOf(file) };
  }
  if (file.size > MAX_TEXT_BYTES) {
    throw new Error(`${name} is too long: at most ${MAX_TEXT_BYTES / 1024} kB of text.`);
  }
  return { kind: 'text', id, name, text: await textOf(file) };
}

async function textOf(file: File): Promise<string> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
    if (!text.includes('\0')) return text;
  } catch {
    // It is said below.
  }
  throw new Error(`${file.name} is neither an image nor text.`);
}

/** The question with its text files as code blocks. */
export function withTexts(question: string, attachments: readonly Attachment[]): string {
  const blocks = attachments.flatMap((one) => (one.kind === 'text' ? [block(one)] : []));
  return [question, ...blocks].filter((part) => part !== '').join('\n\n');
}

function block({ name, text }: { name: string; text: string }): string {
  // Longer than any fence in the text itself.
  const longest = Math.max(2, ...[...text.matchAll(/`{3,}/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  const [, language = ''] = /\.([a-z0-9]{1,10})$/i.exec(name) ?? [];
  return `${name}:\n${fence}${language.toLowerCase()}\n${text.replace(/\n$/, '')}\n${fence}`;
}
