import { z } from 'zod';
import { boundedList } from '../../protocol/bounded-list.js';
import { MAX_MESSAGES } from '../../protocol/model-fields.js';

/** Most parts of one message. They are counted before one of them is looked at. */
export const MAX_PARTS = 10_000;
/** Most characters of an id that a client has chosen. */
export const ID_CHARS = 256;

const text = z.object({ type: z.enum(['text', 'reasoning']), text: z.string() });
const file = z.object({ type: z.literal('file'), mediaType: z.string(), url: z.string() });
const tool = z.object({
  type: z.string().regex(/^(tool-.+|dynamic-tool)$/s),
  /** Of a `dynamic-tool`; of another it stands in the type. */
  toolName: z.string().optional(),
  /** As the model server made it: some (LiteLLM) put a signature of thousands of characters into it. */
  toolCallId: z.string().min(1),
  state: z.string(),
  input: z.unknown().optional(),
  output: z.unknown().optional(),
  errorText: z.string().optional(),
  approval: z.object({ reason: z.string().optional() }).optional().catch(undefined),
});
/** `step-start`, sources, data of the app: nothing of it goes to the model. */
const other = z.object({
  type: z.string().regex(/^(?!(text|reasoning|file|dynamic-tool)$|tool-)/),
});

const part = z.union([text, file, tool, other]);
export type UiPart = z.infer<typeof part>;
export type ToolPart = z.infer<typeof tool>;

/** A message as `useChat` has it (`UIMessage` of the package `ai`); what else is in it is left out. */
export const uiMessage = z.object({
  id: z.string().max(ID_CHARS).optional(),
  role: z.enum(['system', 'user', 'assistant']),
  parts: boundedList(part, MAX_PARTS),
});
export const uiMessages = boundedList(uiMessage, MAX_MESSAGES);
export type UiMessage = z.infer<typeof uiMessage>;

export function isText(part: UiPart): part is z.infer<typeof text> {
  return part.type === 'text' || part.type === 'reasoning';
}

export function isFile(part: UiPart): part is z.infer<typeof file> {
  return part.type === 'file';
}

export function isTool(part: UiPart): part is ToolPart {
  return part.type === 'dynamic-tool' || part.type.startsWith('tool-');
}

export function toolNameOf({ type, toolName = '' }: ToolPart): string {
  return type === 'dynamic-tool' ? toolName : type.slice('tool-'.length);
}

/** What a tool answered, as the model reads it; undefined while it has not. */
export function resultOf({ state, output, errorText, approval }: ToolPart): string | undefined {
  switch (state) {
    case 'output-available':
      return typeof output === 'string' ? output : (JSON.stringify(output) ?? '');
    case 'output-error':
      return errorText ?? 'The tool failed.';
    case 'output-denied':
      return approval?.reason ?? 'The tool may not be run.';
    default:
      return undefined;
  }
}
