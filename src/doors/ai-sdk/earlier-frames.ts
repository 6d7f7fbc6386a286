import { stepsOf } from './chat-messages.js';
import type { Frame } from './frame.js';
import {
  isText,
  isTool,
  type ToolPart,
  toolNameOf,
  type UiMessage,
  type UiPart,
} from './ui-message.js';

/**
 * The frames that make the parts of a message which an answer goes on with: a client that reads the
 * answer anew has lost them. They stand before the frames of the log, and have no number.
 */
export function earlierFrames({ parts }: UiMessage, messageId: string): Frame[] {
  return [
    { type: 'start', messageId },
    ...stepsOf(parts).flatMap((step, at): Frame[] => [
      { type: 'start-step' },
      ...step.flatMap((part, index) => partFrames(part, `earlier-${at}-${index}`)),
      { type: 'finish-step' },
    ]),
  ];
}

function partFrames(part: UiPart, id: string): Frame[] {
  if (isText(part)) {
    const { type, text } = part;
    return [
      { type: `${type}-start`, id },
      { type: `${type}-delta`, id, delta: text },
      { type: `${type}-end`, id },
    ];
  }
  return isTool(part) ? toolFrames(part) : [];
}

function toolFrames(tool: ToolPart): Frame[] {
  const { toolCallId, input, output, state, errorText = '' } = tool;
  const dynamic = tool.type === 'dynamic-tool' ? { dynamic: true as const } : {};
  const call = { toolCallId, toolName: toolNameOf(tool), input: input ?? {}, ...dynamic };
  const frames: Frame[] = [{ type: 'tool-input-available', ...call }];
  if (state === 'output-available') {
    frames.push({ type: 'tool-output-available', toolCallId, output: output ?? null });
  }
  if (state === 'output-error') frames.push({ type: 'tool-output-error', toolCallId, errorText });
  if (state === 'output-denied') frames.push({ type: 'tool-output-denied', toolCallId });
  return frames;
}
