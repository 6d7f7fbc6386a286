import { stringifyExact } from '../../protocol/exact-json.js';
import type { ChatFields, GenerateFields } from '../../protocol/model-fields.js';
import { mediaType } from './media-type.js';
import { USUAL, type Wishes } from './wishes.js';

/** A prompt as one user message. */
export function promptMessages({
  system,
  prompt,
  images,
}: Pick<GenerateFields, 'system' | 'prompt' | 'images'>): unknown[] {
  return [
    ...(system === undefined ? [] : [{ role: 'system', content: system }]),
    { role: 'user', content: content(prompt, images) },
  ];
}

/**
 * Messages in OpenAI's shape. Ollama's tool calls may have no id, and their results name only the
 * tool; here both need one: calls are numbered, and a result belongs to the oldest open call of its
 * tool.
 */
export function chatMessages(
  { messages }: Pick<ChatFields, 'messages'>,
  { toolNames, reasoning }: Pick<Wishes, 'toolNames' | 'reasoning'> = USUAL,
): unknown[] {
  const open: { id: string; name: string }[] = [];
  let count = 0;
  return messages.map((message) => {
    const { role, content: said, thinking, images, tool_calls, tool_name, tool_call_id } = message;
    const calls = tool_calls?.map(
      ({ id = `call_${count++}`, function: { name, arguments: given } }) => {
        open.push({ id, name });
        return { id, type: 'function', function: { name, arguments: stringifyExact(given) } };
      },
    );
    const at = open.findIndex(({ id, name }) =>
      tool_call_id === undefined
        ? tool_name === undefined || name === tool_name
        : id === tool_call_id,
    );
    const [answered] = role === 'tool' && at !== -1 ? open.splice(at, 1) : [];
    const id = tool_call_id ?? answered?.id;
    return {
      role,
      content: content(said, images),
      ...(calls !== undefined && reasoning && { reasoning_content: thinking ?? '' }),
      ...(tool_name !== undefined && toolNames && { name: tool_name }),
      ...(id !== undefined && { tool_call_id: id }),
      ...(calls !== undefined && { tool_calls: calls }),
    };
  });
}

function content(said: string, images: readonly string[] | undefined): unknown {
  if (images === undefined || images.length === 0) return said;
  return [
    { type: 'text', text: said },
    ...images.map((image) => ({
      type: 'image_url',
      image_url: { url: `data:${mediaType(image)};base64,${image}` },
    })),
  ];
}
