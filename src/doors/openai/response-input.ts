import type { ChatFields } from '../../protocol/model-fields.js';
import { notServed } from '../refused.js';
import { CallTexts } from './call-texts.js';
import { base64Of } from './messages.js';
import type { InputItem, InputPart, ResponseBody } from './response-body.js';

type ChatMessage = ChatFields['messages'][number];

/**
 * The input of a response in our own words. Neighbouring calls of tools, and the reasoning before
 * them, are one message of the assistant, as the model made them.
 * @param before the conversation that it goes on from: its calls of tools may be answered here
 * @throws CastError `invalid_request`, with the place of what cannot be said here
 */
export function inputMessages(
  input: ResponseBody['input'],
  before: readonly ChatMessage[],
): ChatMessage[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  const messages: ChatMessage[] = [];
  const names = new Map<string, string>();
  for (const { id, function: called } of before.flatMap(({ tool_calls: calls = [] }) => calls)) {
    if (id !== undefined) names.set(id, called.name);
  }
  const texts = new CallTexts();
  /** The assistant's message that is not finished: thinking and calls are added to it. */
  let open: ChatMessage | undefined;
  const assistant = (): ChatMessage => {
    if (open === undefined) messages.push((open = { role: 'assistant', content: '' }));
    return open;
  };
  for (const [at, item] of input.entries()) {
    const path = `input.${at}`;
    switch (item.type ?? 'message') {
      case 'message': {
        const message = messageOf(item, path);
        if (message.role !== 'assistant') {
          open = undefined;
          messages.push(message);
        } else if (open === undefined || open.content !== '' || open.tool_calls !== undefined) {
          messages.push((open = message));
        } else Object.assign(open, { content: message.content });
        break;
      }
      case 'reasoning': {
        const text = (item.summary ?? []).map(({ text = '' }) => text).join('\n');
        if (open !== undefined && (open.content !== '' || open.tool_calls !== undefined)) {
          open = undefined;
        }
        if (text === '') break;
        const message = assistant();
        const { thinking } = message;
        message.thinking = thinking === undefined ? text : `${thinking}\n${text}`;
        break;
      }
      case 'function_call': {
        const { call_id: id, name = '', arguments: json = '' } = item;
        const call = { id, function: { name, arguments: json } };
        if (id !== undefined) names.set(id, name);
        (assistant().tool_calls ??= []).push(texts.read(call, `${path}.arguments`));
        break;
      }
      case 'function_call_output': {
        open = undefined;
        const name = names.get(item.call_id ?? '');
        messages.push({
          role: 'tool',
          ...partsOf(item.output, `${path}.output`),
          ...(item.call_id !== undefined && { tool_call_id: item.call_id }),
          ...(name !== undefined && { tool_name: name }),
        });
        break;
      }
      default:
        throw notServed(`${path}.type`, 'not served');
    }
  }
  return messages;
}

function messageOf({ role, content }: InputItem, path: string): ChatMessage {
  if (role === undefined) throw notServed(`${path}.role`, 'required');
  return {
    role: role === 'developer' ? 'system' : role,
    ...partsOf(content, `${path}.content`),
  };
}

function partsOf(
  content: string | InputPart[] | undefined,
  path: string,
): { content: string; images?: string[] } {
  if (typeof content === 'string') return { content };
  const texts: string[] = [];
  const images: string[] = [];
  for (const [at, { type, text, refusal, image_url: image }] of (content ?? []).entries()) {
    switch (type) {
      case 'input_text':
      case 'output_text':
      case 'text':
        texts.push(text ?? '');
        break;
      case 'refusal':
        texts.push(refusal ?? '');
        break;
      case 'input_image':
        images.push(base64Of(image, `${path}.${at}.image_url`));
        break;
      default:
        throw notServed(`${path}.${at}.type`, 'only text and images');
    }
  }
  return { content: texts.join('\n'), ...(images.length > 0 && { images }) };
}
