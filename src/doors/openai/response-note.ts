import type { Generation } from '../../generations/generation.js';
import { CastError } from '../../protocol/errors.js';
import { generationId } from '../../protocol/ids.js';
import type { ChatFields } from '../../protocol/model-fields.js';
import { callId } from './call-id.js';

/** What is kept with the generation of a response. */
export interface ResponseNote {
  readonly door: 'openai.response';
  /** Whether it can be asked for by its id. */
  readonly isStored: boolean;
  /** The conversation before the answer, without the instructions. */
  readonly messages: ChatFields['messages'];
  /** What a response repeats of its request. */
  readonly echo: Readonly<Record<string, unknown>>;
}

const PREFIX = 'resp_';

/** The id of a generation's response. */
export function responseId({ id }: Pick<Generation, 'id'>): string {
  return PREFIX + id;
}

/** The generation of a response. @throws CastError `generation_not_found` where it is no such id */
export function generationIdOf(responseId: string): string {
  const id = generationId.safeParse(responseId.slice(PREFIX.length));
  if (!responseId.startsWith(PREFIX) || !id.success) throw responseNotFound();
  return id.data;
}

/** @throws CastError `generation_not_found` for a generation that is no response, or is not stored */
export function noteOf(generation: Pick<Generation, 'note'>): ResponseNote {
  const note = generation.note as Partial<ResponseNote> | undefined;
  if (note?.door !== 'openai.response' || note.isStored !== true) {
    throw responseNotFound();
  }
  return note as ResponseNote;
}

/** The conversation with the answer that it got; its calls of tools have the ids that were told. */
export function conversationOf(generation: Generation): ChatFields['messages'] {
  const { messages } = noteOf(generation);
  const { log } = generation;
  const thinking = log.all('thinking');
  const calls = log
    .toolCalls()
    .map((call, index) => ({ ...call, id: call.id ?? callId(generation, index) }));
  return [
    ...messages,
    {
      role: 'assistant',
      content: log.all('text') || log.all('refusal'),
      ...(thinking !== '' && { thinking }),
      ...(calls.length > 0 && { tool_calls: calls }),
    },
  ];
}

export function responseNotFound(): CastError {
  return new CastError('generation_not_found', {
    message: 'There is no such response, or it is no longer kept.',
  });
}
