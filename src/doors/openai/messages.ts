import type { ChatFields } from '../../protocol/model-fields.js';
import { notServed } from '../refused.js';
import { CallTexts } from './call-texts.js';
import type { ContentPart, Message } from './chat-body.js';

type ChatMessage = ChatFields['messages'][number];

/** A data URL of an image in base64 (RFC 2397). */
const IMAGE = /^data:image\/[\w.+-]+(?:;[\w=.+-]+)*;base64,/i;

/**
 * OpenAI's messages in our own words. Parts of text are joined by a line end; images stand behind the
 * text. The result of a tool gets the name of the tool, which Ollama goes by.
 * @throws CastError `invalid_request`, with the place of what cannot be said here
 */
export function messagesOf(messages: readonly Message[]): ChatMessage[] {
  const names = new Map<string, string>();
  const texts = new CallTexts();
  return messages.map((message, at) => {
    const path = `messages.${at}`;
    const { role, content, refusal, reasoning_content: thinking, tool_call_id: callId } = message;
    const parts: readonly ContentPart[] =
      typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? []);
    const said = parts.flatMap((part, index) => textOf(part, `${path}.content.${index}`) ?? []);
    const images = parts.flatMap((part, index) => imageOf(part, `${path}.content.${index}`) ?? []);
    const calls = message.tool_calls?.map((call, index) =>
      texts.read(call, `${path}.tool_calls.${index}.function.arguments`),
    );
    for (const { id, function: called } of calls ?? []) {
      if (id !== undefined) names.set(id, called.name);
    }
    const name = callId === undefined ? undefined : names.get(callId);
    return {
      role: role === 'developer' ? 'system' : role,
      content: said.join('\n') || (refusal ?? ''),
      ...(images.length > 0 && { images }),
      ...(thinking !== undefined && role === 'assistant' && { thinking }),
      ...(calls !== undefined && calls.length > 0 && { tool_calls: calls }),
      ...(role === 'tool' && callId !== undefined && { tool_call_id: callId }),
      ...(role === 'tool' && name !== undefined && { tool_name: name }),
    };
  });
}

function textOf({ type, text, refusal }: ContentPart, path: string): string | undefined {
  switch (type) {
    case 'text':
      return text ?? '';
    case 'refusal':
      return refusal ?? '';
    case 'image_url':
      return undefined;
    default:
      throw notServed(path, 'only text and images');
  }
}

function imageOf({ type, image_url: image }: ContentPart, path: string): string | undefined {
  return type === 'image_url' ? base64Of(image, path) : undefined;
}

/**
 * The base64 of an image.
 * @param image its data URL, or an object with it
 * @throws CastError `invalid_request` for any other URL: this server fetches nothing
 */
export function base64Of(image: string | { url: string } | undefined, path: string): string {
  const url = typeof image === 'string' ? image : (image?.url ?? '');
  const [begin] = IMAGE.exec(url.slice(0, 200)) ?? [];
  if (begin === undefined) {
    throw notServed(
      path,
      'an image must be a data URL in base64: nothing is fetched from elsewhere',
    );
  }
  return url.slice(begin.length);
}
