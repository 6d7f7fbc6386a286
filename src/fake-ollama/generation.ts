import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Ask } from './ask.js';
import type { Models } from './models.js';
import { dueMs, until } from './pace.js';
import { Refusal } from './refusal.js';
import { type Reply, StreamedReply, WholeReply, answerLine, sendJson } from './reply.js';
import type { Slots } from './slots.js';
import type { Switches } from './switches.js';
import { tokenise } from './tokens.js';

/** What all requests to one server share. */
export interface House {
  switches: Switches;
  models: Models;
  slots: Slots;
}

type Ending = 'reset' | 'error' | 'truncated' | 'length' | 'stop';

const UNEXPECTED = 'an error was encountered while running the model: unexpected EOF';

const TOKENS_PER_TURN = 100;

/** Answers a generate or chat request; rejects when `gone` aborts, with everything given back. */
export async function answer(
  ask: Ask,
  { switches, models, slots }: House,
  response: ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  const arrived = performance.now();
  if (switches.busy) {
    throw new Refusal(503, 'server busy, please try again.  maximum pending requests exceeded');
  }
  if (ask.only === 'unload') {
    models.unload(ask.model);
    sendJson(response, 200, answerLine(ask, '', { done: true, done_reason: 'unload' }));
    return;
  }
  await models.use(ask.model, ask.keepAliveMs, gone, async () => {
    if (ask.only === 'load') {
      sendJson(response, 200, answerLine(ask, '', { done: true, done_reason: 'load' }));
      return;
    }
    const loaded = performance.now();
    const reply = ask.stream
      ? new StreamedReply(ask, response, switches.splitBytes, gone)
      : new WholeReply(ask, response);
    await slots.use(gone, () => generate(ask, switches, reply, { arrived, loaded }, gone));
  });
}

async function generate(
  ask: Ask,
  switches: Switches,
  reply: Reply,
  { arrived, loaded }: { arrived: number; loaded: number },
  gone: AbortSignal,
): Promise<void> {
  const { tokens, ending } = plan(ask, switches);
  const begun = performance.now();
  const start = begun + (switches.hang ? Infinity : switches.firstTokenMs);
  await until(start, gone);
  const first = performance.now();
  for (const [i, token] of tokens.entries()) {
    await until(start + dueMs(i, switches), gone);
    await reply.token(token);
    // At full speed nothing else above waits for I/O, and a disconnect would go unseen.
    if (i % TOKENS_PER_TURN === 0) await nextTurn(undefined, { signal: gone });
  }
  // A real model needs one more step to say that it is done.
  await until(start + dueMs(tokens.length, switches), gone);

  switch (ending) {
    case 'reset':
      return reply.reset();
    case 'error':
      return reply.fail(UNEXPECTED);
    case 'truncated':
      return reply.truncate();
    default: {
      const now = performance.now();
      reply.done({
        done: true,
        done_reason: ending satisfies 'length' | 'stop',
        context: ask.api === 'generate' && !ask.raw ? [101, 7, 9] : undefined,
        total_duration: nanoseconds(now - arrived),
        load_duration: nanoseconds(loaded - arrived),
        prompt_eval_count: ask.promptTokens || undefined,
        prompt_eval_duration: nanoseconds(first - begun),
        eval_count: tokens.length || undefined,
        eval_duration: nanoseconds(now - first),
      });
    }
  }
}

/** Which tokens will be sent, and what happens then: whatever comes earliest, a fault before an end. */
function plan(ask: Ask, switches: Switches): { tokens: string[]; ending: Ending } {
  const tokens = tokenise(ask.model.answer(ask.asked));
  const ends: [ending: Ending, after: number][] = [
    ['reset', switches.resetAfter],
    ['error', switches.errorAfter],
    ['truncated', switches.truncateAfter],
    ['length', ask.numPredict],
  ];
  let end: [ending: Ending, after: number] = ['stop', tokens.length];
  for (const other of ends.toReversed()) if (other[1] <= end[1]) end = other;
  return { tokens: tokens.slice(0, end[1]), ending: end[0] };
}

const nanoseconds = (ms: number): number => Math.round(ms * 1e6);
