import type { ChatFields } from '../../protocol/model-fields.js';
import { notServed } from '../refused.js';
import {
  isFile,
  isText,
  isTool,
  resultOf,
  type ToolPart,
  toolNameOf,
  type UiMessage,
  type UiPart,
} from './ui-message.js';

type ChatMessage = ChatFields['messages'][number];
type ToolCall = NonNullable<ChatMessage['tool_calls']>[number];

/** An image in base64 (RFC 2397). Nothing is fetched: other addresses are refused. */
const IMAGE = /^data:image\/[\w.+-]+;base64,/i;

/**
 * The conversation as the model is to read it: the same as `convertToModelMessages` of the package `ai`
 * makes of it. A tool call that has no result yet is left out, and so is what only the app understands.
 * @throws CastError `invalid_request` for a file that is no image in a data URL
 */
export function chatMessages(messages: readonly UiMessage[]): ChatMessage[] {
  return messages.flatMap(({ role, parts }, at) => {
    const images = parts.flatMap((part, index) =>
      isFile(part) ? [imageOf(part.url, role, `messages.${at}.parts.${index}`)] : [],
    );
    if (role === 'assistant') return stepsOf(parts).flatMap(stepMessages);
    const content = textOf(parts, 'text', '\n');
    return [{ role, content, ...(images.length > 0 && { images }) }];
  });
}

/** The parts of each step of an answer. */
export function stepsOf(parts: readonly UiPart[]): UiPart[][] {
  const steps: UiPart[][] = [[]];
  for (const part of parts) {
    if (part.type === 'step-start') steps.push([]);
    else steps.at(-1)?.push(part);
  }
  return steps.filter((step) => step.length > 0);
}

/** What the assistant said in one step, and what its tools answered. */
function stepMessages(parts: UiPart[]): ChatMessage[] {
  const answered = parts.filter(isTool).filter((tool) => resultOf(tool) !== undefined);
  const content = textOf(parts, 'text', '');
  const thinking = textOf(parts, 'reasoning', '');
  if (content === '' && thinking === '' && answered.length === 0) return [];
  return [
    {
      role: 'assistant',
      content,
      ...(thinking !== '' && { thinking }),
      ...(answered.length > 0 && { tool_calls: answered.map(callOf) }),
    },
    ...answered.map((tool): ChatMessage => ({
      role: 'tool',
      content: resultOf(tool) ?? '',
      tool_name: toolNameOf(tool),
      tool_call_id: tool.toolCallId,
    })),
  ];
}

function callOf(tool: ToolPart): ToolCall {
  const { toolCallId: id, input } = tool;
  const isRecord = typeof input === 'object' && input !== null && !Array.isArray(input);
  const given = isRecord ? (input as Record<string, unknown>) : {};
  return { id, function: { name: toolNameOf(tool), arguments: given } };
}

function textOf(parts: readonly UiPart[], type: 'text' | 'reasoning', between: string): string {
  return parts
    .filter(isText)
    .filter((part) => part.type === type)
    .map(({ text }) => text)
    .join(between);
}

/** @throws CastError `invalid_request` */
function imageOf(url: string, role: UiMessage['role'], path: string): string {
  const head = IMAGE.exec(url.slice(0, 256))?.[0];
  if (role === 'user' && head !== undefined) return url.slice(head.length);
  throw notServed(path, "a file must be a user's image in a data URL; nothing is fetched");
}
