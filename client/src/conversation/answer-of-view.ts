import type { View } from '../view.js';
import type { Answer } from './conversation.js';

/** As much of the answer as the stream has. @param now in milliseconds since 1970 */
export function partOf(answer: Answer, view: View, now = Date.now()): Answer {
  const { seq, generationId, refusal, toolCalls } = view;
  const asked = generationId === undefined ? answer : { ...answer, generationId };
  // Before the first record, what was kept before a reload is the longer one.
  if (seq === 0) return asked;
  const { text, thinking } = answer.begun ?? { text: '', thinking: '' };
  return {
    ...asked,
    text: text + view.text,
    thinking: thinking + view.thinking,
    ...(refusal !== '' && { refusal }),
    ...(toolCalls.length > 0 && { toolCalls }),
    ...thoughtOf(answer, view, now),
  };
}

/** When the thinking began, and how long it took once the text has begun. */
function thoughtOf(answer: Answer, { thinking, text }: View, now: number): Partial<Answer> {
  if (thinking === '' || answer.thinkingMs !== undefined) return {};
  const { thinkingFrom = now } = answer;
  return { thinkingFrom, ...(text !== '' && { thinkingMs: now - thinkingFrom }) };
}

/** The answer at the end of its stream: all of it, or why not. */
export function ended(answer: Answer, view: View): Answer {
  const { result, error } = view;
  const part = partOf(answer, view);
  // Where nobody knows how it has ended, a stopped one has stopped.
  if (error?.code === 'aborted' || (answer.isStopped === true && result === undefined)) {
    return stopped(part);
  }
  if (error !== undefined) {
    const { code, message } = error;
    return { ...part, state: 'failed', failure: { code, message } };
  }
  if (result?.state === 'cancelled') return { ...part, state: 'cancelled', reason: result.reason };
  if (result?.state !== 'completed') return part;
  const { finishReason: reason, usage, timings } = result;
  const { tokensPerSecond, firstTokenMs } = timings;
  const measured = {
    tokens: usage?.completionTokens ?? null,
    promptTokens: usage?.promptTokens ?? null,
    tokensPerSecond,
    firstTokenMs,
  };
  return { ...part, state: 'completed', reason, measured };
}

const stopped = (answer: Answer): Answer => ({
  ...answer,
  state: 'cancelled',
  reason: 'client',
});

/** An answer that no server knows of. */
export function neverAsked(answer: Answer): Answer {
  if (answer.isStopped === true) return stopped(answer);
  const message = 'The page was closed before the server had the question.';
  return { ...answer, state: 'failed', failure: { code: 'unanswered', message } };
}
