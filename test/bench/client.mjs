// The load client: opens the connections, starts the answers at their times, judges every one.
import { Answer, Tally } from './answer.mjs';
import { nowUs, percentile, sleep, sleepUntil } from './clock.mjs';
import { DOORS } from './doors.mjs';
import { serve } from './ipc.mjs';

/** How many connections are opened at a time. */
const CONNECTING = 50;
const SETTLE_MS = 20_000;

let doors = [];

async function connect({ door, urls, count }) {
  const open = () => new DOORS[door](urls);
  for (let at = 0; at < count; at += CONNECTING) {
    const some = Array.from({ length: Math.min(CONNECTING, count - at) }, open);
    await Promise.all(some.map((one) => one.connect()));
    doors.push(...some);
  }
}

/**
 * Starts answer after answer, the last one `spreadUs` after `begin`; what is late is made up for.
 * @returns {Promise<Answer[]>} when all were accepted or refused
 */
async function startAll({ count, begin, spreadUs, prompt }, tally, onStarted) {
  const refused = (_answer, { status }) => status === 201 || tally.fault(`refused with ${status}`);
  const answers = [];
  const started = [];
  while (answers.length < count) {
    await sleepUntil(begin + (answers.length * spreadUs) / count);
    const due = 1 + Math.floor(((nowUs() - begin) * count) / Math.max(1, spreadUs));
    for (let at = answers.length; at < Math.min(count, due); at++) {
      const answer = new Answer(tally);
      answers.push(answer);
      started.push(
        doors[at % doors.length].start(prompt, answer).then(
          (response) => {
            tally.accepted.push((nowUs() - answer.requestedAt) / 1000);
            return (onStarted ?? refused)(answer, response);
          },
          (error) => tally.fault(error.message),
        ),
      );
    }
  }
  await Promise.all(started);
  return answers;
}

async function settle(answers, tally) {
  const all = Promise.all(answers.map((answer) => answer.ended));
  await Promise.race([all, sleep(SETTLE_MS)]);
  const missing = answers.filter((answer) => !answer.isEnded).length;
  if (missing > 0) tally.fault(`${missing} answers did not end`);
}

const summary = (tally) => ({
  tokens: tally.arrived,
  p50: percentile(tally.latencies, 0.5),
  p99: percentile(tally.latencies, 0.99),
  firstToken: {
    p50: percentile(tally.firstTokens, 0.5),
    p99: percentile(tally.firstTokens, 0.99),
  },
  accepted: { p50: percentile(tally.accepted, 0.5), p99: percentile(tally.accepted, 0.99) },
  faults: tally.faults,
});

/** So many answers at a fixed rate, each read by so many sockets. */
async function load({ readers = 1, from, to, ...plan }) {
  const tally = new Tally({ from, to });
  const others = [];
  const joinOthers = ({ generationId }) => {
    for (let reader = 1; reader < readers; reader++) {
      const other = Object.assign(new Answer(tally), { generationId });
      doors[plan.count + others.length].join(other);
      others.push(other);
    }
  };
  const answers = await startAll(plan, tally, readers > 1 ? joinOthers : undefined);
  await settle(answers, tally);
  await settle(others, tally);
  return summary(tally);
}

/** All sockets are cut at once in mid-stream; all come back and read on where they were. */
async function storm({ cutAt, ...plan }) {
  const tally = new Tally();
  const answers = await startAll(plan, tally);
  await sleepUntil(cutAt);
  const cut = nowUs();
  for (const door of doors) door.cut();
  const times = await Promise.all(
    answers.map(async (answer, at) => {
      const door = doors[at];
      await door.connect();
      const ack = await door.join(answer);
      if (!ack.ok) tally.fault(ack.error.code);
      while (answer.last < ack.seq) await sleep(1);
      return (nowUs() - cut) / 1000;
    }),
  );
  await settle(answers, tally);
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => percentile(times, share));
  return { resumeMs: { p50, p99, max }, tokens: tally.tokens, faults: tally.faults };
}

/** One more socket reads every answer, stops taking bytes, and takes them at the end. */
async function stall({ pad, from, to, stallAt, from2, to2, ...plan }) {
  const before = new Tally({ from, to, pad });
  const stalled = new Tally({ pad });
  const answers = await startAll(plan, before);
  await sleepUntil(stallAt);
  const reader = doors[plan.count];
  const read = answers.map(({ generationId }) =>
    Object.assign(new Answer(stalled), { generationId }),
  );
  for (const answer of read) reader.join(answer);
  reader.pause();
  const after = new Tally({ from: from2, to: to2, pad });
  await sleepUntil(from2 - 100_000);
  for (const answer of answers) answer.tally = after;
  await sleepUntil(to2);
  reader.resume();
  await settle(answers, after);
  await settle(read, stalled);
  const faults = [...before.faults, ...after.faults, ...stalled.faults];
  return { before: summary(before), after: summary(after), stalledTokens: stalled.tokens, faults };
}

/** Requests at a fixed rate, whatever becomes of them. */
async function offer({ from, to, ...plan }) {
  const tally = new Tally();
  let completed = 0;
  let refused = 0;
  const refusalMs = [];
  const accepted = [];
  const onStarted = (answer, { status }) => {
    if (status === 201) {
      accepted.push(answer);
      answer.ended.then(() => {
        const now = nowUs();
        if (now >= from && now < to) completed++;
      });
    } else if (status === 503) {
      refused++;
      const now = nowUs();
      if (now >= from && now < to) refusalMs.push((now - answer.requestedAt) / 1000);
    } else tally.fault(`${status}`);
  };
  await startAll(plan, tally, onStarted);
  await settle(accepted, tally);
  return {
    goodput: (completed * 1e6) / (to - from),
    refused,
    refusalP99: percentile(refusalMs, 0.99),
    faults: tally.faults,
  };
}

serve({ connect, load, storm, stall, offer });
console.log('on http://127.0.0.1:0');
