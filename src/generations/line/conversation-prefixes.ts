import { hash } from 'node:crypto';
import type { ModelRequest } from '../../cast/model-request.js';
import type { ChatFields, ToolCall } from '../../protocol/model-fields.js';

type Message = Pick<ChatFields['messages'][number], 'role' | 'content'> &
  Partial<ChatFields['messages'][number]>;

/** Most prefixes of one request; the next turn of its conversation shares one of the longest. */
export const MAX_PREFIXES = 64;
/** What an image counts as, in characters: some hundred tokens. */
const IMAGE_CHARS = 2_000;
/** Characters of an image that are looked at: its last ones. */
const IMAGE_TAIL = 64;

/** The leading messages of a request. */
export interface Prefix {
  /** The same for the same user, model, tools and messages; 22 characters. */
  readonly digest: string;
  /** How long these messages are. */
  readonly chars: number;
}

/**
 * What a later request may begin with as well, the shortest first. What stands before the first
 * question is no prefix of its own: a system prompt is shared by conversations that had better be
 * spread over the upstreams.
 * @param user whose request it is: conversations of others are never recognised
 */
export function prefixesOf(request: ModelRequest, user: string): Prefix[] {
  const messages = messagesOf(request);
  const tools = request.endpoint === 'chat' && request.tools ? JSON.stringify(request.tools) : '';
  const begin = {
    digest: digest(JSON.stringify([user, request.model, tools])),
    chars: tools.length,
  };
  const prefixes: Prefix[] = [];
  let prefix: Prefix = begin;
  let hasQuestion = false;
  for (const message of messages) {
    prefix = extended(prefix, message);
    hasQuestion ||= message.role !== 'system';
    if (hasQuestion) prefixes.push(prefix);
  }
  return prefixes.slice(-MAX_PREFIXES);
}

/** The prefix with one more message, which costs no look at those before. */
export function extended(before: Prefix, message: Message): Prefix {
  const { role, content, images = [], tool_calls: calls = [] } = message;
  // Clients take off the blanks around an answer, and servers do; the ids of calls are made up anew.
  const text = content.trim();
  const pictures = images.map((image) => [image.length, image.slice(-IMAGE_TAIL)]);
  const said = [role, text, pictures, calls.map(callOf)];
  return {
    digest: digest(before.digest + JSON.stringify(said)),
    chars: before.chars + text.length + IMAGE_CHARS * images.length,
  };
}

function messagesOf(request: ModelRequest): readonly Message[] {
  switch (request.endpoint) {
    case 'chat':
      return request.messages;
    case 'generate': {
      const { prompt, system = '', suffix = '', images } = request;
      const question: Message = {
        role: 'user',
        content: prompt + suffix,
        ...(images && { images }),
      };
      return system === '' ? [question] : [{ role: 'system', content: system }, question];
    }
    case 'pull':
      return [];
    default:
      return request satisfies never;
  }
}

function callOf({ function: { name, arguments: values } }: ToolCall): unknown {
  return [name, values];
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 22);
}
