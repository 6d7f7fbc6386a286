import { readFile } from 'node:fs/promises';
import { UsageError } from './exit.js';

/** What the options of `chat` say. */
export interface ChatOptions {
  model?: string | undefined;
  system?: string | undefined;
  /** `name=value` each. */
  option?: string[] | undefined;
  think?: string | undefined;
  /** Files; they belong to the first question. */
  image?: string[] | undefined;
}

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
  images?: string[];
}

/**
 * The fields of the request that stay the same from question to question.
 * @throws UsageError
 */
export function fieldsOf({ model, option = [], think }: ChatOptions): object {
  return {
    ...(model !== undefined && { model }),
    ...(think !== undefined && { think: valueOf(think) }),
    ...(option.length > 0 && { options: Object.fromEntries(option.map(pairOf)) }),
    // This reader is no socket. It cancels by itself when it ends early.
    onDisconnect: 'keep',
  };
}

export function questionOf(content: string, images: string[]): Message {
  return { role: 'user', content, ...(images.length > 0 && { images }) };
}

/** Files as base64, which is how a request has them. @throws UsageError */
export async function imagesOf({ image = [] }: ChatOptions): Promise<string[]> {
  return Promise.all(
    image.map(async (file) => {
      try {
        return await readFile(file, 'base64');
      } catch (error) {
        const { code = 'unknown' } = error as NodeJS.ErrnoException;
        throw new UsageError(`The image ${file} cannot be read (${code}).`, 'chat');
      }
    }),
  );
}

function pairOf(text: string): [string, unknown] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--option must be name=value, not ${text}.`, 'chat');
  return [text.slice(0, at), valueOf(text.slice(at + 1))];
}

/** A number, a boolean or a list is JSON; anything else is a text. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
